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
    interval, -- how long a kline is, such as 1m
    open_time, -- [UTC] when it opens
    open::double as open, -- [quote asset] first price
    high::double as high, -- [quote asset] highest price
    low::double as low, -- [quote asset] lowest price
    close::double as close, -- [quote asset] last price
    volume::double as volume, -- [base asset] how much was traded
    close_time, -- [UTC] its last moment, a millisecond or microsecond before the next one opens
    quote_volume::double as quote_volume, -- [quote asset] sum of price × quantity
    trades, -- [trades] how many
    -- [base asset] volume in which the buyer was the taker
    taker_base_vol::double as taker_base_vol,
    taker_quote_vol::double as taker_quote_vol -- [quote asset] the same as price × quantity
from versions
qualify row_number() over (partition by open_time order by fetched_us desc, line desc, position desc) = 1
