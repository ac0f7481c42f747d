-- One trade as one hour of receipt recorded it; of its copies the earliest receipt stays.
-- grain: trade_id
select
    trade_id,
    price,
    qty,
    if(is_sell, 'sell', 'buy') as side,
    if(is_rest, 'rest', 'ws') as source,
    utc_time(event_us) as ts_event,
    utc_time(recv_us) as ts_recv,
    false as is_kept
from lines
where is_trade
{%- if has_copies %}
qualify trade_id is distinct from lag(trade_id) over (
    order by trade_id, recv_us, is_rest, conn, event_us, price, qty, is_sell
)
{%- endif %}
