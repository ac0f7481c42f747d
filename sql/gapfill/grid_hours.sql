-- One hour of the symbol's grid of seconds: where it begins and ends, and what it carries in.
-- grain: hour
with hours as (
    select
        unnest(range(day_number * 24, day_number * 24 + 24)) as hour,
        first_second,
        last_second
    from recorded_days, tape_span
),

grid as (
    select
        hour,
        greatest(hour * 3600, first_second) as from_second,
        least(hour * 3600 + 3599, last_second) as to_second
    from hours
    where hour * 3600 + 3599 >= first_second and hour * 3600 <= last_second
),

edged as (
    select
        grid.*,
        tape_hours.last_price as close_before,
        quote_tape_hours.last_us as quote_us,
        quote_tape_hours.last_bid as quote_bid,
        quote_tape_hours.last_ask as quote_ask
    from grid
    asof left join tape_hours on grid.hour > tape_hours.hour
    asof left join quote_tape_hours on grid.hour > quote_tape_hours.hour
)

-- a quote is carried into the hour only while one cover goes on past the hour's first second
select
    edged.* exclude (quote_us, quote_bid, quote_ask),
    if(merged_covers.end_us >= (edged.from_second + 1) * 1000000, quote_us, null) as quote_us,
    if(merged_covers.end_us >= (edged.from_second + 1) * 1000000, quote_bid, null) as quote_bid,
    if(merged_covers.end_us >= (edged.from_second + 1) * 1000000, quote_ask, null) as quote_ask
from edged
asof left join merged_covers on edged.quote_us >= merged_covers.start_us
