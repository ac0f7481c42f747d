-- Low ≤ open, close ≤ high.
-- severity: critical
-- checks: select count(open) from checked_bars
-- breaks: update checked_bars set high = low, low = low + 1
-- Prices that are no numbers are R4's.
select
    exchange,
    symbol,
    window_start,
    format('open {} high {} low {} close {}', open, high, low, close) as detail
from checked_bars
where isfinite(open) and isfinite(high) and isfinite(low) and isfinite(close)
    and (low <= open and low <= close and high >= open and high >= close) is not true
