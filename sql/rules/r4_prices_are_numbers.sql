-- Prices are numbers.
-- severity: critical
-- breaks: update checked_bars set close = null where state <> 'dark'
-- Open, high, low and close are neither null nor NaN nor infinite. A dark bar may have no price at all: it is R5's.
select
    exchange,
    symbol,
    window_start,
    concat_ws(
        ' ', shown(state), 'bar: open', shown(open), 'high', shown(high), 'low', shown(low),
        'close', shown(close)
    ) as detail
from checked_bars
where (isfinite(open) and isfinite(high) and isfinite(low) and isfinite(close)) is not true
    and not coalesce(state = 'dark' and coalesce(open, high, low, close) is null, false)
