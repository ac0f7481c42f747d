-- The certificate of each UTC day of a symbol; a day between two recorded ones that nobody recorded says so.
-- grain: exchange, symbol, day
with spans as (
    select exchange, symbol, min(day) as first_day, max(day) as last_day
    from tape_days
    group by all
),

days as (
    select
        exchange,
        symbol,
        unnest(generate_series(first_day::timestamp, last_day::timestamp, interval '1 day'))::date as day
    from spans
)

select
    days.exchange,
    days.symbol,
    days.day,
    first_id, -- NULL: no trade of it is known
    last_id, -- NULL: no trade of it is known
    count, -- NULL: not recorded
    missing, -- NULL: not recorded
    duplicates, -- NULL: not recorded
    repaired, -- NULL: not recorded
    absent_upstream, -- NULL: not recorded
    -- complete: no trade of it can be missing; incomplete; or not recorded
    coalesce(verdict, 'not recorded') as verdict
from days
left join tape_days
    on tape_days.exchange = days.exchange and tape_days.symbol = days.symbol and tape_days.day = days.day
