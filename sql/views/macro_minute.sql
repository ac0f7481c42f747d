-- One minute of an instrument by Yahoo, such as SPY or EURUSD=X; times are UTC.
-- grain: ticker, window_start
select
    ticker,
    day,
    ts as window_start,
    open,
    high,
    low,
    close,
    volume
from macro
