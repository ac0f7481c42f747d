-- One best bid and ask of the exchange, once, on the exchange's clock: copies fall out by update id.
-- grain: exchange, symbol, update_id
-- file: ticks/{exchange}/quotes/{symbol}/{day}
select
    '{{ exchange }}' as exchange,
    '{{ symbol }}' as symbol,
    date '{{ day }}' as day,
    update_id,
    bid,
    bid_qty,
    ask,
    ask_qty,
    ts_event,
    ts_recv
from staged_quotes
where ts_event >= utc_time({{ from_us }}) and ts_event < utc_time({{ to_us }})
{%- if has_copies %}
qualify update_id is distinct from lag(update_id) over (
    order by update_id, ts_recv, ts_event, bid, ask, bid_qty, ask_qty
)
{%- endif %}
