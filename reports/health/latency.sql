-- How long the trades of the last minute took to arrive, in milliseconds, with both clocks brought together.
-- A line that is being written may be torn: it counts the next time.
select
    quantile_disc(ts_recv - event_time, 0.5) / 1000 + {{ offset_us }} / 1000 as last_latency_p50_ms,
    quantile_disc(ts_recv - event_time, 0.95) / 1000 + {{ offset_us }} / 1000 as last_latency_p95_ms
from read_json(
    {{ raw_files }},
    columns = {stream: 'varchar', source: 'varchar', ts_recv: 'bigint', event_time: 'bigint'},
    format = 'newline_delimited',
    ignore_errors = true
)
where stream = 'trade' and source = 'ws' and ts_recv > {{ now_us }} - 60000000
