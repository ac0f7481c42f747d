-- One connection of the collector: from when to when, on which clock, what it lost.
-- grain: exchange, conn
-- file: ticks/{exchange}/sessions/{day}
with starts as (
    select recv_us, mode
    from session_events
    where event = 'start'
),

connections as (
    select
        conn,
        min(recv_us) filter (event = 'connected') as connected_us,
        min(recv_us) filter (event = 'subscribed') as subscribed_us,
        min(recv_us) filter (event = 'disconnected') as ended_us,
        arg_min(detail, recv_us) filter (event = 'disconnected') as ended_by,
        arg_max(symbols, recv_us) filter (event = 'subscribed') as symbols,
        arg_min(offset_us, recv_us) filter (event = 'clock') as offset_us,
        count(*) filter (event = 'stalled') as stalls,
        coalesce(sum(messages) filter (event = 'dropped'), 0)::bigint as dropped_messages
    from session_events
    where conn is not null
    group by conn
)

select
    '{{ exchange }}' as exchange,
    (utc_time(coalesce(connected_us, conn)) at time zone 'UTC')::date as day,
    conn,
    starts.mode,
    utc_time(coalesce(connected_us, conn)) as connected_at,
    utc_time(subscribed_us) as subscribed_at,
    utc_time(ended_us) as ended_at,
    ended_by,
    symbols,
    offset_us as clock_offset_us,
    stalls,
    dropped_messages
from connections
asof left join starts on connections.conn >= starts.recv_us
