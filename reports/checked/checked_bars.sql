-- The bars that the rules check, of the timeframe and the range asked for.
-- grain: exchange, symbol, window_start
select
    exchange,
    symbol,
    day,
    window_start,
    open,
    high,
    low,
    close,
    volume_base,
    volume_quote,
    trade_count,
    vwap,
    bid,
    ask,
    spread,
    taker_buy_base,
    taker_buy_quote,
    state
from bars_{{ tf }}
where epoch_us(window_start) >= {{ from_us }} and epoch_us(window_start) < {{ to_us }}
