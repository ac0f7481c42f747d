-- One official kline of the exchange, once: what was fetched last stands; an open one is none.
-- grain: exchange, symbol, interval, open_time
-- file: backfill/{exchange}/{symbol}/{day}/klines_{interval}
-- Where raw answers are gone, what they said stays as it was published (`kept`).
with versions as (
    from kline_answers
    {%- if kept %}
    union all by name
    select *, {{ kept_until_us }} as fetched_us from {{ kept }}
    {%- endif %}
)

select
    exchange,
    symbol,
    day,
    interval,
    open_time,
    open::double as open,
    high::double as high,
    low::double as low,
    close::double as close,
    volume::double as volume,
    close_time,
    quote_volume::double as quote_volume,
    trades,
    taker_base_vol::double as taker_base_vol,
    taker_quote_vol::double as taker_quote_vol
from versions
qualify row_number() over (partition by open_time order by fetched_us desc, line desc, position desc) = 1
