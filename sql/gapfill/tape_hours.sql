-- One hour of the symbol's trades over all files that hold some: what the plan compares and the tape counts.
-- grain: hour
-- Files of different hours of receipt hold different ids, then their notes add up. Where ids overlap (a trade
-- received twice, late raw of a day whose raw is gone) the hour was counted anew from its rows: `exact_trade_hours`.
with noted as (
    select
        hour,
        min(first_id) as first_id,
        max(last_id) as last_id,
        min(first_second) as first_second,
        max(last_second) as last_second,
        sum(trades)::bigint as trades,
        sum(repaired)::bigint as repaired,
        sum(duplicates)::bigint as duplicates,
        arg_max(last_price, (last_second, last_id)) as last_price,
        sum(price_hash) as price_hash,
        sum(qty_hash) as qty_hash,
        sum(side_hash) as side_hash,
        sum(source_hash) as source_hash,
        sum(ts_event_hash) as ts_event_hash,
        sum(ts_recv_hash) as ts_recv_hash
    from noted_trade_hours
    group by all
)

select
    noted.hour,
    noted.first_id,
    noted.last_id,
    noted.first_second,
    noted.last_second,
    coalesce(exact.trades, noted.trades) as trades,
    coalesce(exact.repaired, noted.repaired) as repaired,
    noted.duplicates + noted.trades - coalesce(exact.trades, noted.trades) as duplicates,
    coalesce(exact.last_price, noted.last_price) as last_price,
    coalesce(exact.price_hash, noted.price_hash)::varchar as price_hash,
    coalesce(exact.qty_hash, noted.qty_hash)::varchar as qty_hash,
    coalesce(exact.side_hash, noted.side_hash)::varchar as side_hash,
    coalesce(exact.source_hash, noted.source_hash)::varchar as source_hash,
    coalesce(exact.ts_event_hash, noted.ts_event_hash)::varchar as ts_event_hash,
    coalesce(exact.ts_recv_hash, noted.ts_recv_hash)::varchar as ts_recv_hash
from noted
left join exact_trade_hours as exact using (hour)
where exact.hour is not null
    or noted.hour not in (select hour from overlapping_hours where stream = 'trades')
