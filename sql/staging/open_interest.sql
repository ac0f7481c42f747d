-- The open interest of a perpetual future at one moment, once: in contracts' base units, and in US dollars (`oi_usd`).
-- grain: exchange, symbol, measured_at
-- file: derivs/{exchange}/open_interest/{symbol}/{day}
-- What was fetched last stands; where raw answers are gone, what they said stays as it was published (`kept`).
with versions as (
    from open_interest_answers
    {%- if kept %}
    union all by name
    select *, {{ kept_until_us }} as fetched_us from {{ kept }}
    {%- endif %}
)

select
    exchange,
    symbol,
    day,
    measured_at, -- [UTC] the moment that the exchange gives it for
    open_interest::double as open_interest, -- [base asset] of all open contracts
    oi_usd::double as oi_usd -- [US dollars] the same, as the exchange values it
from versions
qualify row_number() over (partition by measured_at order by fetched_us desc, line desc, position desc) = 1
