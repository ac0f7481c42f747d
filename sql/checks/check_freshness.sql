-- The newest bar is as new as what was received.
-- checks: select format('newest bar {} UTC', utc_text(utc_time(max(us)))) from newest_bars
-- absent: There are no bars yet
-- A lake recorded live is held against the clock, one from a replay against its newest receive time.
with last_session as (
    select coalesce(arg_max(mode, connected_at) = 'live', false) as is_live
    from sessions
),

received as (
    select max(epoch_us(ts_recv)) as us from trades where day = date '{{ day }}'
    union all
    select max(epoch_us(ts_recv)) from quotes where day = date '{{ day }}'
    union all
    select us from raw_newest
),

held_against as (
    select if(is_live, (select now_us from wall), (select max(us) from received)) as us
    from last_session
),

late as (
    select newest_bars.symbol, newest_bars.us, held_against.us as now_us
    from newest_bars
    cross join held_against
    where held_against.us - newest_bars.us > {{ check.max_age_minutes }}::bigint * 60000000
        and (exchange, symbol) in (select (exchange, symbol) from wanted_symbols)
)

select
    'WARN' as verdict,
    symbol as place,
    format(
        'its newest bar is of {} UTC, {:.1f} hours before {} UTC',
        utc_text(utc_time(us)), (now_us - us) / 3600000000, utc_text(utc_time(now_us))
    ) as detail,
    'run `lake build`, and look whether `lake collect` runs' as advice
from late
