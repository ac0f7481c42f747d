-- One event in the life of the collector's connections, as it wrote it.
-- grain: conn, event, recv_us
select
    event,
    microseconds(ts_recv) as recv_us,
    conn,
    mode,
    symbols,
    symbol,
    stream,
    first_id,
    last_id,
    count as messages,
    "offset" as offset_us,
    detail
from session_lines
where flaw is null
