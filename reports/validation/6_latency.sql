-- Latency
-- Milliseconds from the trade to its receipt, by this machine's clock; below zero: that clock is slow.
-- absent: no trades received live
select symbol, day, trades, min_ms as least, median_ms as p50, p99_ms as p99, max_ms as most
from latencies
order by exchange, symbol, day
