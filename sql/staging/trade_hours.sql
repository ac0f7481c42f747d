-- What one hour of trades holds, as notes for the plan: ids, edges, and a sum of row hashes a column.
-- grain: hour
-- Sums of hashes add up over files, however the rows are stored at the time; an xor would lose a row that is
-- there twice. A hash holds the key, so that values that change places are seen.
with seconds as (
    select
        second_of(ts_event) as second,
        count(*) as trades,
        count(*) filter (source = 'rest') as repaired,
        min(trade_id) as first_id,
        max(trade_id) as last_id,
        arg_max(price, trade_id) as last_price,
        sum(hash(trade_id, price)) as price_hash,
        sum(hash(trade_id, qty)) as qty_hash,
        sum(hash(trade_id, side)) as side_hash,
        sum(hash(trade_id, source)) as source_hash,
        sum(hash(trade_id, epoch_us(ts_event))) as ts_event_hash,
        sum(hash(trade_id, epoch_us(ts_recv))) as ts_recv_hash
    from noted_trades
    group by all
)

select
    second // 3600 as hour,
    sum(trades)::bigint as trades,
    sum(repaired)::bigint as repaired,
    min(first_id) as first_id,
    max(last_id) as last_id,
    min(second) as first_second,
    max(second) as last_second,
    arg_max(last_price, second)::varchar as last_price,
    sum(price_hash)::varchar as price_hash,
    sum(qty_hash)::varchar as qty_hash,
    sum(side_hash)::varchar as side_hash,
    sum(source_hash)::varchar as source_hash,
    sum(ts_event_hash)::varchar as ts_event_hash,
    sum(ts_recv_hash)::varchar as ts_recv_hash
from seconds
group by all
