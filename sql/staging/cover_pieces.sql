-- A stretch of one hour of receipt in which one connection delivered the symbol: first to last message.
-- grain: conn, first_recv_us
-- A stretch ends where the connection stalled or nothing came for 60 seconds; `covers` joins what belongs
-- together. Minutes are enough to find 60 seconds of silence, few where messages are many, and of one clock's offset.
with minutes as (
    select
        received.*,
        first_recv_us + clock.offset_us as start_us,
        last_recv_us + clock.offset_us as end_us
    from received
    inner join clock on clock.conn is not distinct from received.conn and clock.minute = received.minute
    where received.is_heard
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
