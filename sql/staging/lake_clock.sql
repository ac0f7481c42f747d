-- The build's idea of now, in microseconds on the exchange's clock, and the end of the last complete hour.
-- A build reads no clock: now is the newest receive time on disk, moved by its session's offset, and never past the
-- first line of a later session, so that one line stamped 2099 does not close every day.
-- An hour is complete when now is past its end, or when in that hour there was a moment without any connection: ticks
-- published at such a moment are not taken back when the next connection begins.
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
),

pauses as (
    select ended_us + coalesce(offset_us, 0) as us
    from connections as ended
    where not is_open
        and not exists (
            select 1
            from connections as other
            where other.conn <> ended.conn
                and other.connected_us <= ended.ended_us
                and (other.is_open or other.ended_us > ended.ended_us)
        )
),

clock as (
    select max(us) as now_us, coalesce(bool_or(is_open), false) as is_open
    from moments
)

select
    now_us,
    case
        when not is_open then 9223372036854775807
        when (select max(us) from pauses) // 3600000000 >= now_us // 3600000000
            then (now_us // 3600000000 + 1) * 3600000000
        else now_us // 3600000000 * 3600000000
    end as complete_until_us
from clock
