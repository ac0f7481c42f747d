-- The open interest at one moment as one answer of the futures exchange gave it, or what is wrong with it.
-- grain: line, position
-- raw: binance/_rest/open_interest_5m/{symbol}
-- fetch: `lake derivatives`
{% import 'macros/answer_items.jinja' as answer_items %}
{% import 'macros/line_format.jinja' as line_format %}
with {{ answer_items.items(
    '{"symbol": "VARCHAR", "sumOpenInterest": "VARCHAR", "sumOpenInterestValue": "VARCHAR", "timestamp": "VARCHAR"}',
    "request ->> '$.symbol' = '" ~ symbol ~ "'"
) }},

typed as (
    select
        line,
        fetched_us,
        position,
        item,
        microseconds({{ answer_items.whole('item.timestamp') }}) as us,
        item.sumOpenInterest as contracts,
        try_cast(contracts as decimal(18, 8)) as contracts_read,
        item.sumOpenInterestValue as usd,
        try_cast(usd as decimal(18, 8)) as usd_read
    from items
),

judged as (
    select
        *,
        case
            when item is null then 'not an object'
            when item.symbol is distinct from '{{ symbol }}' then concat('symbol ', shown(item.symbol), ' in the answer of another')
            when us is null then 'timestamp is not a time from 2000 to 2099'
            when not coalesce({{ line_format.quantity('contracts') }} and contracts not like '-%', false)
                then 'sumOpenInterest is not a quantity of at most 8 decimals'
            when not coalesce({{ line_format.quantity('usd') }} and usd not like '-%', false)
                then 'sumOpenInterestValue is not an amount of at most 8 decimals'
            when {{ answer_items.is_ahead('us') }} then 'timestamp lies after it was fetched'
        end as flaw
    from typed
)

select
    'binance_futures' as exchange,
    '{{ symbol }}' as symbol,
    utc_day(us) as day,
    utc_time(us) as measured_at,
    try_cast(contracts as decimal(28, 8)) as open_interest,
    try_cast(usd as decimal(28, 8)) as oi_usd,
    fetched_us,
    line,
    position,
    if(flaw is null, null, coalesce(to_json(item)::varchar, 'null')) as text,
    flaw
from judged
union all by name
select line, 0 as position, text, flaw
from answers
where flaw is not null
