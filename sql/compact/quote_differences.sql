-- An hour of the day that is to be sealed whose published quotes are not those that were staged.
-- grain: hour
with staged as (
    select *
    from quote_tape_hours
    where hour // 24 = date '{{ day }}' - date '1970-01-01'
)

select hour, format('{} quotes are published, {} were staged', quote_hours.quotes, staged.quotes) as detail
from staged
full join quote_hours using (hour)
where quote_hours.quotes is distinct from staged.quotes
    or quote_hours.bid_hash is distinct from staged.bid_hash
    or quote_hours.bid_qty_hash is distinct from staged.bid_qty_hash
    or quote_hours.ask_hash is distinct from staged.ask_hash
    or quote_hours.ask_qty_hash is distinct from staged.ask_qty_hash
    or quote_hours.ts_event_hash is distinct from staged.ts_event_hash
    or quote_hours.ts_recv_hash is distinct from staged.ts_recv_hash
