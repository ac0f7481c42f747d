-- One quote as one hour of receipt recorded it, moved onto the exchange's clock; the earliest receipt stays.
-- grain: update_id
-- Older lakes have no update id: there the receive time orders quotes, and bid and ask those of one millisecond.
with numbered as (
    select update_id, bid, bid_qty, ask, ask_qty, conn, recv_us
    from lines
    where is_quote and update_id is not null
    union all
    select
        recv_us + dense_rank() over (partition by recv_us order by bid, ask) - 1,
        bid,
        bid_qty,
        ask,
        ask_qty,
        conn,
        recv_us
    from lines
    where is_quote and update_id is null
),

distinct_quotes as (
    from numbered
    {%- if has_copies %}
    qualify update_id is distinct from lag(update_id) over (
        order by update_id, recv_us, conn, bid, ask, bid_qty, ask_qty
    )
    {%- endif %}
)

select
    distinct_quotes.update_id,
    distinct_quotes.bid,
    distinct_quotes.bid_qty,
    distinct_quotes.ask,
    distinct_quotes.ask_qty,
    utc_time(distinct_quotes.recv_us + clock.offset_us) as ts_event,
    utc_time(distinct_quotes.recv_us) as ts_recv,
    false as is_kept
from distinct_quotes
inner join clock
    on clock.conn is not distinct from distinct_quotes.conn
        and clock.minute = distinct_quotes.recv_us // 60000000
