-- One minute of an instrument by Yahoo, once: what was fetched last stands; a minute that was not over is none.
-- grain: ticker, ts
-- file: macro/minute/{ticker}/{day}
-- Of rows of one answer the later stands: Yahoo repeats a minute, first without its volume. Where raw answers are gone,
-- what they said stays as it was published (`kept`).
with versions as (
    from macro_answers
    {%- if kept %}
    union all by name
    select *, {{ kept_until_us }} as fetched_us from {{ kept }}
    {%- endif %}
)

select
    ticker,
    day,
    ts,
    open,
    high,
    low,
    close,
    volume
from versions
qualify row_number() over (partition by ts order by fetched_us desc, line desc, position desc) = 1
