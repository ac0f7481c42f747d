-- The build's idea of now, in microseconds on the exchange's clock, and the end of the last complete hour.
-- A build reads no clock: now is the newest receive time on disk, moved by its session's offset, and never past the
-- first line of a later session, so that one line stamped 2099 does not close every day.
with bounded as (
    select
        newest_us,
        offset_us,
        is_open,
        lead(connected_us) over (order by connected_us) as later_us
    from connections
),

moments as (
    select least(newest_us, coalesce(later_us, newest_us)) + coalesce(offset_us, 0) as us, is_open
    from bounded
    union all
    select recv_us, false
    from noted_newest
    where conn is null or conn not in (select conn from connections)
)

select
    max(us) as now_us,
    if(bool_or(is_open), max(us) // 3600000000 * 3600000000, 9223372036854775807) as complete_until_us
from moments
