-- One quote as one hour of receipt recorded it, moved onto the exchange's clock; the earliest receipt stays.
-- grain: update_id
-- Older lakes have no update id: there the receive time orders quotes, and bid and ask those of one millisecond.
with numbered as (
    select
        coalesce(
            update_id,
            recv_us + dense_rank() over (partition by update_id, recv_us order by bid, ask) - 1
        ) as update_id,
        bid,
        bid_qty,
        ask,
        ask_qty,
        conn,
        recv_us
    from lines
    where is_quote
)

select
    numbered.update_id,
    numbered.bid,
    numbered.bid_qty,
    numbered.ask,
    numbered.ask_qty,
    utc_time(numbered.recv_us + clock.offset_us) as ts_event,
    utc_time(numbered.recv_us) as ts_recv,
    false as is_kept
from numbered
inner join clock
    on clock.conn is not distinct from numbered.conn and clock.minute = numbered.recv_us // 60000000
qualify row_number() over (
    partition by numbered.update_id
    order by numbered.recv_us, numbered.conn, bid, ask, bid_qty, ask_qty
) = 1
