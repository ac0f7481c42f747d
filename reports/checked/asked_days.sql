-- A UTC day that bars are asked of, of one symbol; where its grid begins and ends.
-- grain: exchange, symbol, day
-- Null on the first and last recorded day: there the grid begins with the first trade and ends with the last one.
-- Later days than the last one are asked of symbols that are (to be) recorded, up to today.
with bounds as (
    select
        *,
        if({{ is_start_given }}, date '{{ from_day }}', greatest(first_day, date '{{ from_day }}')) as from_day,
        least(date '{{ until_day }}', if(symbol in {{ expected }}, date '{{ today }}', last_day)) as until_day
    from spans
),

days as (
    select
        * exclude (from_day, until_day),
        unnest(generate_series(from_day::timestamp, until_day::timestamp, interval '1 day'))::date as day
    from bounds
)

select
    exchange,
    symbol,
    day,
    if(
        day = first_day,
        null,
        greatest(epoch_us(day_start(day)), ({{ from_us }} + {{ width_us }} - 1) // {{ width_us }} * {{ width_us }})
    ) as from_us,
    if(
        day = last_day,
        null,
        least(epoch_us(day_start(day)) + 86400000000, ({{ to_us }} + {{ width_us }} - 1) // {{ width_us }} * {{ width_us }})
    ) as to_us
from days
