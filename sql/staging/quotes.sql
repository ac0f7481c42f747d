-- One best bid and ask of the exchange, once, on the exchange's clock: copies fall out by update id.
-- grain: exchange, symbol, update_id
-- file: ticks/{exchange}/quotes/{symbol}/{day}
-- A source holds an id once; where none overlaps another in ids, there is no copy to look for (`has_copies`).
with once as (
    from staged_quotes
    {%- if has_copies %}
    qualify update_id is distinct from lag(update_id) over (
        order by update_id, ts_recv, is_kept, ts_event, bid, ask, bid_qty, ask_qty
    )
    {%- endif %}
)

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
from once
where ts_event >= utc_time({{ from_us }}) and ts_event < utc_time({{ to_us }})
