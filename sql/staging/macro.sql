-- One minute of an instrument by Yahoo, once: what was fetched last stands; a minute that was not over is none.
-- grain: ticker, ts
-- file: macro/minute/{ticker}/{day}
-- Of rows of one answer the later stands: Yahoo repeats a minute, first without its volume, and the first row of an
-- answer may lack it, too. Where raw answers are gone, what they said stays as it was published (`kept`).
with versions as (
    from macro_answers
    {%- if kept %}
    union all by name
    select *, {{ kept_until_us }} as fetched_us from {{ kept }}
    {%- endif %}
),

told as (
    select *, lacks_volume(ts, position, volume) as is_partial
    from versions
)

select
    ticker,
    day,
    ts, -- [UTC] start of the minute
    open, -- [as Yahoo quotes it] first price
    high, -- [as Yahoo quotes it] highest price
    low, -- [as Yahoo quotes it] lowest price
    close, -- [as Yahoo quotes it] last price
    volume -- [shares or contracts] traded, 0 for currencies; NULL: Yahoo tells none
from told
qualify row_number() over (partition by ts order by is_partial, fetched_us desc, line desc, position desc) = 1
