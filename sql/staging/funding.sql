-- One funding of a perpetual future, once: its rate, and the mark price where the exchange tells it.
-- grain: exchange, symbol, funding_time, rate_type
-- file: derivs/{exchange}/funding/{symbol}/{day}
-- What was fetched last stands; where raw answers are gone, what they said stays as it was published (`kept`).
with versions as (
    from funding_answers
    {%- if kept %}
    union all by name
    select *, {{ kept_until_us }} as fetched_us from {{ kept }}
    {%- endif %}
)

select
    exchange,
    symbol,
    day,
    funding_time, -- [UTC] when it was due, as the exchange stamps it
    rate_type, -- Regular, or what else the exchange calls it
    -- [fraction] of the position, paid by longs to shorts; below zero: by shorts
    funding_rate::double as funding_rate,
    -- [quote asset] it was reckoned with; NULL: the exchange tells none, as of old ones
    mark_price::double as mark_price
from versions
qualify row_number() over (
    partition by funding_time, rate_type order by fetched_us desc, line desc, position desc
) = 1
