-- One UTC day of a symbol: prices, volumes, seconds by state, and the verdict of its tape.
-- grain: exchange, symbol, day
select
    bars_1d.exchange,
    bars_1d.symbol,
    bars_1d.day,
    open,
    high,
    low,
    close,
    volume_base,
    volume_quote,
    trade_count,
    vwap,
    traded_seconds,
    quiet_seconds,
    partial_seconds,
    dark_seconds,
    tape.missing,
    tape.verdict
from bars_1d
left join tape on tape.exchange = bars_1d.exchange and tape.symbol = bars_1d.symbol and tape.day = bars_1d.day
