-- One funding rate as one answer of the futures exchange gave it, or what is wrong with it.
-- grain: line, position
-- raw: binance/_rest/funding_rate/{symbol}
-- fetch: `lake derivatives`
{% import 'macros/answer_items.jinja' as answer_items %}
{% import 'macros/line_format.jinja' as line_format %}
with {{ answer_items.items(
    '{"symbol": "VARCHAR", "fundingRate": "VARCHAR", "fundingTime": "VARCHAR", "markPrice": "VARCHAR", "rateType": "VARCHAR"}',
    "request ->> '$.symbol' = '" ~ symbol ~ "'"
) }},

typed as (
    select
        line,
        fetched_us,
        position,
        item,
        microseconds({{ answer_items.whole('item.fundingTime') }}) as us,
        item.fundingRate as rate,
        try_cast(rate as decimal(18, 8)) as rate_read,
        -- old rows have none
        nullif(item.markPrice, '') as mark,
        try_cast(mark as decimal(18, 8)) as mark_read
    from items
),

judged as (
    select
        *,
        case
            when item is null then 'not an object'
            when item.symbol is distinct from '{{ symbol }}' then concat('symbol ', shown(item.symbol), ' in the answer of another')
            when us is null then 'fundingTime is not a time from 2000 to 2099'
            when not coalesce({{ line_format.price('rate') }}, false) then 'fundingRate is not a number of at most 8 decimals'
            when mark is not null and not coalesce({{ line_format.price('mark') }} and mark_read >= 0, false)
                then 'markPrice is not a price of at most 8 decimals'
            when {{ answer_items.is_ahead('us') }} then 'fundingTime lies after it was fetched'
        end as flaw
    from typed
)

select
    'binance_futures' as exchange,
    '{{ symbol }}' as symbol,
    utc_day(us) as day,
    utc_time(us) as funding_time,
    coalesce(item.rateType, 'Regular') as rate_type,
    rate_read as funding_rate,
    mark_read as mark_price,
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
