-- An hour of the day that is to be sealed whose bars are not one a second of its grid, or do not hold its trades.
-- grain: hour
with barred as (
    select
        second_of(window_start) // 3600 as hour,
        count(*) as bars,
        min(second_of(window_start)) as from_second,
        max(second_of(window_start)) as to_second,
        coalesce(sum(trade_count), 0) as trades
    from bars_1s
    group by all
),

wanted as (
    select
        grid_hours.hour,
        grid_hours.from_second,
        grid_hours.to_second,
        coalesce(tape_hours.trades, 0) as trades
    from grid_hours
    left join tape_hours using (hour)
    where grid_hours.hour // 24 = date '{{ day }}' - date '1970-01-01'
)

select
    hour,
    format(
        '{} bars with {} trades, where {} seconds have {} trades',
        barred.bars,
        barred.trades,
        wanted.to_second - wanted.from_second + 1,
        wanted.trades
    ) as detail
from wanted
full join barred using (hour)
where barred.bars is distinct from wanted.to_second - wanted.from_second + 1
    or barred.from_second is distinct from wanted.from_second
    or barred.to_second is distinct from wanted.to_second
    or barred.trades is distinct from wanted.trades
