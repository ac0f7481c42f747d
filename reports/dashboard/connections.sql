-- A connection of the collector, the newest first.
select
    connected_at,
    ended_at,
    ended_by,
    mode,
    round(clock_offset_us / 1000, 1) as clock_offset_ms,
    len(symbols) as symbols,
    len(stalls) as stalls,
    dropped_messages
from sessions
order by connected_at desc
limit 200
