-- One minute of an instrument as one answer of Yahoo gave it, or what is wrong with it; other answers may hold it too.
-- grain: line, position
-- raw: yahoo/{ticker}
-- fetch: `lake macro`
-- A row without any price is Yahoo's way to say that nothing traded; a minute that was not over is none yet. Prices are
-- doubles already where they come from.
{% import 'macros/answer_items.jinja' as answer_items %}
{% set prices = ['open', 'high', 'low', 'close'] %}
with {{ answer_items.items(
    '{"ts": "VARCHAR", "open": "VARCHAR", "high": "VARCHAR", "low": "VARCHAR", "close": "VARCHAR", "volume": "VARCHAR"}',
    "request ->> '$.ticker' = '" ~ ticker ~ "'"
) }},

typed as (
    select
        line,
        fetched_us,
        position,
        item,
        microseconds({{ answer_items.whole('item.ts') }}) as us,
        {%- for name in prices + ['volume'] %}
        try_cast(item.{{ name }} as double) as {{ name }}{{ '' if loop.last else ',' }}
        {%- endfor %}
    from items
),

judged as (
    select
        *,
        case
            when item is null then 'not an object'
            when us is null then 'ts is not a time from 2000 to 2099'
            {%- for name in prices %}
            when not coalesce(isfinite({{ name }}) and {{ name }} > 0, false) then '{{ name }} is not a price above zero'
            {%- endfor %}
            when item.volume is not null and not coalesce(isfinite(volume) and volume >= 0, false)
                then 'volume is not a quantity'
            when high < greatest(open, close) or low > least(open, close)
                then 'open and close are not between low and high'
            when {{ answer_items.is_ahead('us') }} then 'ts lies after it was fetched'
            when us % 60000000 <> 0 and us + 60000000 <= fetched_us then 'ts is no start of a minute'
        end as flaw
    from typed
    where item is null or us is null or coalesce(item.open, item.high, item.low, item.close) is not null
)

select
    'yahoo' as exchange,
    '{{ ticker }}' as ticker,
    utc_day(us) as day,
    utc_time(us) as ts,
    open,
    high,
    low,
    close,
    volume,
    fetched_us,
    line,
    position,
    if(flaw is null, null, coalesce(to_json(item)::varchar, 'null')) as text,
    flaw
from judged
where flaw is not null or us + 60000000 <= fetched_us
union all by name
select line, 0 as position, text, flaw
from answers
where flaw is not null
