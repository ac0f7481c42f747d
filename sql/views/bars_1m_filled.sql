-- One minute of a symbol: our own bar where all its trades are known, else the official kline (`source`: bars or kline).
-- grain: exchange, symbol, window_start
-- A minute with a second that is partial or dark is not complete; one that has no kline either is not there.
{% set columns = [
    'open', 'high', 'low', 'close', 'volume_base', 'volume_quote', 'trade_count', 'vwap', 'taker_buy_base',
    'taker_buy_quote'
] %}
with complete as (
    select *
    from bars_1m
    where traded_seconds + quiet_seconds = 60
)

select
    exchange,
    symbol,
    day,
    window_start,
    {%- for column in columns %}
    {{ column }}, -- NULL: never
    {%- endfor %}
    bid, -- NULL: no quote, the stream was off, or a kline
    ask, -- NULL: no quote, the stream was off, or a kline
    spread, -- NULL: as bid and ask
    'bars' as source -- bars: our own; kline: the exchange's
from complete
union all
select
    exchange,
    symbol,
    day,
    window_start,
    {%- for column in columns %}
    {{ column }},
    {%- endfor %}
    null::double as bid,
    null::double as ask,
    null::double as spread,
    'kline' as source
from klines_1m
anti join complete using (exchange, symbol, day, window_start)
