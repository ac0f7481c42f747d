-- What one hour of quotes holds, as notes for the plan: ids, the last quote, and a sum of row hashes a column.
-- grain: hour
with seconds as (
    select
        second_of(ts_event) as second,
        count(*) as quotes,
        min(update_id) as first_id,
        max(update_id) as last_id,
        arg_max(struct_pack(us := epoch_us(ts_event), bid := bid, ask := ask), update_id) as last_quote,
        sum(hash(update_id, bid)) as bid_hash,
        sum(hash(update_id, bid_qty)) as bid_qty_hash,
        sum(hash(update_id, ask)) as ask_hash,
        sum(hash(update_id, ask_qty)) as ask_qty_hash,
        sum(hash(update_id, epoch_us(ts_event))) as ts_event_hash,
        sum(hash(update_id, epoch_us(ts_recv))) as ts_recv_hash
    from noted_quotes
    group by all
)

select
    second // 3600 as hour,
    sum(quotes)::bigint as quotes,
    min(first_id) as first_id,
    max(last_id) as last_id,
    arg_max(last_quote, second).us as last_us,
    arg_max(last_quote, second).bid::varchar as last_bid,
    arg_max(last_quote, second).ask::varchar as last_ask,
    sum(bid_hash)::varchar as bid_hash,
    sum(bid_qty_hash)::varchar as bid_qty_hash,
    sum(ask_hash)::varchar as ask_hash,
    sum(ask_qty_hash)::varchar as ask_qty_hash,
    sum(ts_event_hash)::varchar as ts_event_hash,
    sum(ts_recv_hash)::varchar as ts_recv_hash
from seconds
group by all
