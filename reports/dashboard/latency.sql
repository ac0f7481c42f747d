-- How long a symbol's trades of one day took to arrive, in milliseconds by this machine's clock.
with trades as (
    select *
    from memory.main.trades
    where day = date '{{ until_day }}'
)

select
    symbol,
    day,
    trades,
    min_ms::bigint as least_ms,
    median_ms::bigint as median_ms,
    p99_ms::bigint as p99_ms,
    max_ms::bigint as most_ms
from ({{ latencies }})
order by symbol
