-- One second of the grid with what is there: its trades, the hole that touches it, the last quote and whether it counts.
-- grain: second
with grid as (
    select unnest(range(min(from_second), max(to_second) + 1)) as second
    from bar_hours
),

carried as (
    select arg_min(struct_pack(us := quote_us, bid := quote_bid, ask := quote_ask), hour) as quote
    from bar_hours
),

quoted as (
    select second, quoted_us, bid, ask
    from quote_bars_1s
    union all
    select quote.us // 1000000, quote.us, quote.bid::decimal(18, 8), quote.ask::decimal(18, 8)
    from carried
    where quote.us is not null
),

touched as (
    select from_second, max(max(to_second)) over (order by from_second) as to_second
    from holes
    where missing is null or missing > 0
    group by from_second
),

joined as (
    select
        grid.second,
        traded.* exclude (exchange, symbol, second),
        coalesce(touched.to_second >= grid.second, false) as is_touched,
        quoted.second as quoted_second,
        quoted.quoted_us,
        quoted.bid,
        quoted.ask
    from grid
    left join trade_bars_1s as traded using (second)
    asof left join touched on grid.second >= touched.from_second
    asof left join quoted on grid.second >= quoted.second
)

-- a quote counts in its own second, and after it while one cover goes on to the second's end
select
    joined.*,
    coalesce(
        joined.quoted_second = joined.second
        or merged_covers.end_us >= (joined.second + 1) * 1000000,
        false
    ) as is_quoted
from joined
asof left join merged_covers on joined.quoted_us >= merged_covers.start_us
