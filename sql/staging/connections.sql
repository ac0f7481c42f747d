-- A connection as the build needs it: what it was asked for, on which clock, and until when it is known to have lived.
-- grain: conn
with newest as (
    select conn, max(recv_us) as recv_us
    from (
        select conn, recv_us from session_events
        union all
        select conn, recv_us from noted_newest
    )
    where conn is not null
    group by conn
)

select
    sessions.conn,
    epoch_us(sessions.connected_at) as connected_us,
    coalesce(epoch_us(sessions.ended_at), newest.recv_us) as ended_us,
    newest.recv_us as newest_us,
    sessions.ended_at is null as is_open,
    sessions.symbols,
    sessions.clock_offset_us as offset_us
from sessions
left join newest using (conn)
