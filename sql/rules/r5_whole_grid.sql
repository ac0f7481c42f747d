-- The grid is whole.
-- severity: major
-- breaks: delete from checked_bars where window_start = (select quantile_disc(window_start, 0.5) from checked_bars)
-- No bar is missing, twice, dark or partial: told in stretches. Each bar begins at a multiple of its width, UTC, on its own day.
with placed as (
    select
        exchange,
        symbol,
        day,
        epoch_us(window_start) as us,
        lag(epoch_us(window_start)) over (partition by exchange, symbol, day order by window_start) as before_us,
        coalesce(state, 'unknown') as state,
        (epoch_us(window_start) % {{ width_us }} = 0 and epoch_us(window_start) // 86400000000 = epoch_us(day_start(day)) // 86400000000)
            is not true as is_misplaced
    from checked_bars
),

days as (
    select exchange, symbol, day, min(us) as first_us, max(us) as last_us
    from placed
    group by all
),

missing as (
    select exchange, symbol, before_us + {{ width_us }} as from_us, us as to_us
    from placed
    where us > before_us + {{ width_us }}
    union all
    select
        exchange,
        symbol,
        unnest([asked_days.from_us, last_us + {{ width_us }}]) as from_us,
        unnest([first_us, asked_days.to_us]) as to_us
    from asked_days
    inner join days using (exchange, symbol, day)
),

islands as (
    select
        exchange,
        symbol,
        state,
        us,
        us - row_number() over (partition by exchange, symbol, state order by us) * {{ width_us }} as island
    from placed
    anti join edge_bars using (exchange, symbol, us)
    where state not in ('traded', 'quiet')
),

stretches as (
    select exchange, symbol, min(us) as from_us, max(us) + {{ width_us }} as to_us, state as what
    from islands
    group by exchange, symbol, state, island
    union all
    select exchange, symbol, from_us, to_us, 'missing' from missing where to_us > from_us
)

select
    exchange,
    symbol,
    utc_time(from_us) as window_start,
    format(
        '{}: {} bar{}, until {} UTC',
        what, (to_us - from_us) // {{ width_us }}, if(to_us - from_us > {{ width_us }}, 's', ''), utc_text(utc_time(to_us))
    ) as detail
from stretches
union all
select exchange, symbol, day_start(day), 'not recorded: the whole day'
from asked_days
anti join days using (exchange, symbol, day)
union all
select exchange, symbol, utc_time(min(us)), format('{} bars of the day are there twice', count(*))
from placed
where us = before_us
group by exchange, symbol, day
union all
select exchange, symbol, utc_time(min(us)), format('{} bars of {} begin at another time than they may', count(*), day)
from placed
where is_misplaced
group by exchange, symbol, day
