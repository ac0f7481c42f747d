-- One-minute official klines, with the columns of bars_1m that the exchange tells.
-- grain: exchange, symbol, window_start
select
    exchange,
    symbol,
    day,
    open_time as window_start,
    open,
    high,
    low,
    close,
    volume as volume_base,
    quote_volume as volume_quote,
    trades as trade_count,
    case when volume > 0 then quote_volume / volume else close end as vwap,
    taker_base_vol as taker_buy_base,
    taker_quote_vol as taker_buy_quote
from klines
where interval = '1m'
