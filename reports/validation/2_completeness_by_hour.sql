-- Completeness by hour
-- Of each hour, 00 to 23 UTC: `#` all bars are known, `9` to `0` so many tenths of them, `.` none.
with hours as (
    select
        exchange,
        symbol,
        day,
        epoch_us(window_start) // 3600000000 % 24 as hour,
        count(*) filter (state in ('traded', 'quiet', 'partial')) * {{ width_us }} / 3600000000 as share
    from checked_bars
    group by all
),

grid as (
    select exchange, symbol, day, unnest(range(24)) as hour
    from asked_days
)

select
    grid.symbol,
    grid.day,
    string_agg(
        case
            when coalesce(share, 0) = 0 then '.'
            when share >= 1 then '#'
            else floor(share * 10)::integer::varchar
        end,
        '' order by grid.hour
    ) as hours_00_to_23
from grid
left join hours
    on hours.exchange = grid.exchange
    and hours.symbol = grid.symbol
    and hours.day = grid.day
    and hours.hour = grid.hour
group by grid.exchange, grid.symbol, grid.day
order by grid.exchange, grid.symbol, grid.day
