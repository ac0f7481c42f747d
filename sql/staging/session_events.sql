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
from read_json(
    {{ raw_files }},
    format = 'newline_delimited',
    columns = {
        event: 'VARCHAR', ts_recv: 'BIGINT', conn: 'BIGINT', mode: 'VARCHAR', symbols: 'VARCHAR[]',
        symbol: 'VARCHAR', stream: 'VARCHAR', first_id: 'BIGINT', last_id: 'BIGINT', count: 'BIGINT',
        "offset": 'BIGINT', detail: 'VARCHAR'
    },
    ignore_errors = true
)
where event is not null and microseconds(ts_recv) is not null
