-- One connection of the collector: from when to when, on which clock, what it lost.
-- grain: exchange, conn
-- file: ticks/{exchange}/sessions/{day}
-- What the raw session lines do not say any more stays as it was published (`noted_sessions`).
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
        arg_min(offset_us, recv_us) filter (event = 'clock') as clock_offset_us,
        list(struct_pack(symbol := symbol, stalled_at := utc_time(recv_us)) order by recv_us, symbol)
            filter (event = 'stalled') as stalls,
        coalesce(sum(messages) filter (event = 'dropped'), 0)::bigint as dropped_messages
    from session_events
    where conn is not null
    group by conn
),

told as (
    select
        conn,
        starts.mode,
        utc_time(connected_us) as connected_at,
        utc_time(subscribed_us) as subscribed_at,
        -- one collector a lake: the next run's start ends what was left open
        utc_time(coalesce(ended_us, later.recv_us)) as ended_at,
        ended_by,
        symbols,
        clock_offset_us,
        stalls,
        dropped_messages
    from connections
    asof left join starts on coalesce(connections.connected_us, connections.conn) >= starts.recv_us
    asof left join starts as later
        on coalesce(connections.connected_us, connections.conn) < later.recv_us
)

select
    '{{ exchange }}' as exchange,
    (coalesce(told.connected_at, noted.connected_at, utc_time(conn)) at time zone 'UTC')::date as day,
    conn, -- [µs] since 1970, when the connection opened: its name in raw lines
    -- live or replay; NULL: the start of its run is not in the raw
    coalesce(told.mode, noted.mode) as mode,
    -- [UTC] when it was open
    coalesce(told.connected_at, noted.connected_at, utc_time(conn)) as connected_at,
    -- [UTC] when the exchange had confirmed its streams; NULL: it never did
    coalesce(told.subscribed_at, noted.subscribed_at) as subscribed_at,
    coalesce(told.ended_at, noted.ended_at) as ended_at, -- [UTC] when it ended; NULL: it has not
    -- what ended it; NULL: it goes on, or its end was not written down
    coalesce(told.ended_by, noted.ended_by) as ended_by,
    coalesce(told.symbols, noted.symbols) as symbols, -- what it was subscribed to; NULL: nothing
    -- [µs] the exchange's clock minus this machine's, when it opened; NULL: not known
    coalesce(told.clock_offset_us, noted.clock_offset_us) as clock_offset_us,
    -- when a symbol fell silent (symbol null: all) while the connection stood
    coalesce(told.stalls, noted.stalls, []) as stalls,
    -- [messages] received and given up, as the disk did not take them in time
    greatest(coalesce(told.dropped_messages, 0), coalesce(noted.dropped_messages, 0)) as dropped_messages
from told
full join noted_sessions as noted using (conn)
