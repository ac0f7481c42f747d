-- A stretch of one hour of receipt in which one connection delivered the symbol: first to last message.
-- grain: conn, first_recv_us
-- A stretch ends where the connection stalled or nothing came for 60 seconds; `covers` joins what belongs
-- together. Minutes are enough to find 60 seconds of silence, and few where messages are many.
with stalled as (
    select
        conn,
        recv_us as from_us,
        lead(recv_us, 1, 9223372036854775807) over (partition by conn order by recv_us) as to_us
    from stalls
),

-- before the clock's offset is added, which is the same for all of a minute: some rows instead of all lines
received as (
    select
        lines.conn,
        lines.recv_us // 60000000 as minute,
        stalled.from_us as stalled_us,
        min(lines.recv_us) as first_recv_us,
        max(lines.recv_us) as last_recv_us
    from lines
    left join stalled
        on stalled.conn = lines.conn and lines.recv_us > stalled.from_us and lines.recv_us <= stalled.to_us
    where lines.is_quote or (lines.is_trade and not lines.is_rest)
    group by all
),

minutes as (
    select
        received.*,
        first_recv_us + clock.offset_us as start_us,
        last_recv_us + clock.offset_us as end_us
    from received
    inner join clock on clock.conn is not distinct from received.conn and clock.minute = received.minute
),

pieces as (
    select
        *,
        count(*) filter (
            first_recv_us - before_us > 60000000 or stalled_us is distinct from stalled_before_us
        ) over (partition by conn order by first_recv_us) as piece
    from (
        select
            *,
            lag(last_recv_us) over (partition by conn order by first_recv_us) as before_us,
            lag(stalled_us) over (partition by conn order by first_recv_us) as stalled_before_us
        from minutes
    )
)

select
    conn,
    min(first_recv_us) as first_recv_us,
    max(last_recv_us) as last_recv_us,
    min(start_us) as start_us,
    max(end_us) as end_us
from pieces
group by conn, piece
