-- A stretch in which the symbol's stream was on, first to last message, on the exchange's clock.
-- grain: start_us
-- Pieces of one connection join unless it stalled between them; of a connection without a session, unless it was
-- silent for 60 seconds. Overlapping stretches of several connections are one.
with steps as (
    select
        noted_pieces.*,
        connections.conn is not null as has_session,
        lag(last_recv_us) over (partition by noted_pieces.conn order by first_recv_us, last_recv_us) as before_us
    from noted_pieces
    left join connections on connections.conn = noted_pieces.conn
),

breaks as (
    select
        *,
        case
            when before_us is null then true
            when has_session then exists (
                select 1
                from stalls
                where stalls.conn = steps.conn
                    and stalls.recv_us >= steps.before_us
                    and stalls.recv_us < steps.first_recv_us
            )
            else first_recv_us - before_us > 60000000
        end as is_break
    from steps
),

numbered as (
    select
        *,
        count(*) filter (is_break) over (
            partition by conn order by first_recv_us, last_recv_us rows unbounded preceding
        ) as stretch
    from breaks
),

stretches as (
    select min(start_us) as start_us, max(end_us) as end_us
    from numbered
    group by conn, stretch
    union all
    -- what a day keeps whose raw is gone: cut at midnight, it goes on to the next day's first message
    select kept.start_us, coalesce(min(later.start_us), kept.end_us) as end_us
    from noted_covers as kept
    left join noted_pieces as later
        on kept.end_us % 86400000000 = 0
        and later.start_us between kept.end_us and kept.end_us + 86400000000
    group by kept.start_us, kept.end_us
),

islands as (
    select
        *,
        count(*) filter (start_us > reached_us) over (order by start_us, end_us rows unbounded preceding) as island
    from (
        select
            *,
            max(end_us) over (
                order by start_us, end_us rows between unbounded preceding and 1 preceding
            ) as reached_us
        from stretches
    )
)

select min(start_us) as start_us, max(end_us) as end_us
from islands
group by island
