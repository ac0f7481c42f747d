-- How long the trades of a day took to arrive, by this machine's clock, in milliseconds; below zero is a slow clock.
-- grain: exchange, symbol, day
-- From counts by the millisecond, so that any number of trades fits in memory.
with received as (
    select
        exchange,
        symbol,
        day,
        (epoch_us(ts_recv) - epoch_us(ts_event)) // 1000 as latency_ms,
        count(*) as trades
    from trades
    where source = 'ws' and epoch_us(ts_event) >= {{ from_us }} and epoch_us(ts_event) < {{ to_us }}
    group by all
),

ranked as (
    select
        *,
        sum(trades) over (partition by exchange, symbol, day order by latency_ms) as so_far,
        sum(trades) over (partition by exchange, symbol, day) as total
    from received
)

select
    exchange,
    symbol,
    day,
    sum(trades)::bigint as trades,
    min(latency_ms) as min_ms,
    min(latency_ms) filter (so_far * 2 >= total) as median_ms,
    min(latency_ms) filter (so_far * 100 >= total * 99) as p99_ms,
    max(latency_ms) as max_ms
from ranked
group by all
