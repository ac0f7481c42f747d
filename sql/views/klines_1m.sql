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
    volume as volume_base, -- [base asset] how much was traded
    quote_volume as volume_quote, -- [quote asset] sum of price × quantity
    trades as trade_count, -- [trades] how many
    -- [quote asset] volume_quote / volume_base; where nobody traded, the close
    case when volume > 0 then quote_volume / volume else close end as vwap,
    taker_base_vol as taker_buy_base, -- [base asset] volume in which the buyer was the taker
    taker_quote_vol as taker_buy_quote -- [quote asset] the same as price × quantity
from klines
where interval = '1m'
