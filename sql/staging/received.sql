-- What came in one minute of receipt on one connection, before and after the collector found it stalled.
-- grain: conn, minute, stalled_us, is_readable, is_heard
-- Some rows in place of all lines: what clock, covers and the newest receipt need. `is_heard`: not fetched by id.
with stalled as (
    select
        conn,
        recv_us as from_us,
        lead(recv_us, 1, 9223372036854775807) over (partition by conn order by recv_us) as to_us
    from stalls
)

select
    lines.conn,
    lines.recv_us // 60000000 as minute,
    stalled.from_us as stalled_us,
    lines.is_trade or lines.is_quote as is_readable,
    lines.is_quote or (lines.is_trade and not lines.is_rest) as is_heard,
    min(lines.recv_us) as first_recv_us,
    max(lines.recv_us) as last_recv_us
from lines
left join stalled
    on stalled.conn = lines.conn and lines.recv_us > stalled.from_us and lines.recv_us <= stalled.to_us
where lines.recv_us is not null
group by all
