-- An hour of the day that is to be sealed whose published trades are not those that were staged.
-- grain: hour
-- Hashes of every column: the published rows are read again, the staged ones were hashed when raw was read.
with staged as (
    select *
    from tape_hours
    where hour // 24 = date '{{ day }}' - date '1970-01-01'
)

select hour, format('{} trades are published, {} were staged', trade_hours.trades, staged.trades) as detail
from staged
full join trade_hours using (hour)
where trade_hours.trades is distinct from staged.trades
    or trade_hours.first_id is distinct from staged.first_id
    or trade_hours.last_id is distinct from staged.last_id
    or trade_hours.price_hash is distinct from staged.price_hash
    or trade_hours.qty_hash is distinct from staged.qty_hash
    or trade_hours.side_hash is distinct from staged.side_hash
    or trade_hours.source_hash is distinct from staged.source_hash
    or trade_hours.ts_event_hash is distinct from staged.ts_event_hash
    or trade_hours.ts_recv_hash is distinct from staged.ts_recv_hash
