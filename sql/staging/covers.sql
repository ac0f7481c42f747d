-- A stretch in which the symbol's stream was on, first to last message, on the exchange's clock, cut at midnight.
-- grain: exchange, symbol, start_at
-- file: ticks/{exchange}/covers/{symbol}/{day}
with cut as (
    select
        unnest(range(start_us // 86400000000, end_us // 86400000000 + 1)) as day_number,
        start_us,
        end_us
    from merged_covers
)

select
    '{{ exchange }}' as exchange,
    '{{ symbol }}' as symbol,
    date '1970-01-01' + day_number::integer as day,
    -- [UTC] first message, or the midnight that the day begins with
    utc_time(greatest(start_us, day_number * 86400000000)) as start_at,
    -- [UTC] last message, or the midnight that the day ends with
    utc_time(least(end_us, (day_number + 1) * 86400000000)) as end_at
from cut
where day_number * 86400000000 < end_us or day_number = start_us // 86400000000
