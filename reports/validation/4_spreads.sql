-- Spreads
-- In basis points of mid, at the end of each bar; wide: {{ '%g' % rules.max_spread_bps }} or more.
-- absent: no quotes
with spreads as (
    select exchange, symbol, round(spread / (bid + ask) * 20000, 2) as bps, count(*) as bars
    from checked_bars
    where isfinite(spread) and bid + ask > 0
    group by all
),

ranked as (
    select
        *,
        sum(bars) over (partition by exchange, symbol order by bps) as so_far,
        sum(bars) over (partition by exchange, symbol) as total
    from spreads
)

select
    symbol,
    sum(bars)::bigint as quoted,
    min(bps) as least,
    min(bps) filter (so_far >= total * 0.5) as p50,
    min(bps) filter (so_far >= total * 0.99) as p99,
    min(bps) filter (so_far >= total * 0.999) as "p99.9",
    max(bps) as most,
    coalesce(sum(bars) filter (bps >= {{ rules.max_spread_bps }}), 0)::bigint as wide
from ranked
group by exchange, symbol
order by exchange, symbol
