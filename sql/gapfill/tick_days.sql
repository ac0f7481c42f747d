-- One UTC day of one tick relation of the symbol: what its day file depends on, up to the last complete hour.
-- grain: stream, day_number
with hours as (
    select
        'trades' as stream,
        hour,
        trades as ticks,
        concat_ws('|', hour, trades, price_hash, qty_hash, side_hash, source_hash, ts_event_hash, ts_recv_hash) as content
    from tape_hours
    union all
    select
        'quotes',
        hour,
        quotes,
        concat_ws('|', hour, quotes, bid_hash, bid_qty_hash, ask_hash, ask_qty_hash, ts_event_hash, ts_recv_hash)
    from quote_tape_hours
)

select
    stream,
    hour // 24 as day_number,
    sum(ticks)::bigint as ticks,
    md5(string_agg(content, ' ' order by hour)) as digest
from hours
where (hour + 1) * 3600000000 <= {{ complete_until_us }}
group by all
