-- One trade of the exchange, once: copies fall out by trade id, the earliest receipt stays.
-- grain: exchange, symbol, trade_id
-- file: ticks/{exchange}/trades/{symbol}/{day}
-- A source holds an id once; where none overlaps another in ids, there is no copy to look for (`has_copies`).
with once as (
    from staged_trades
    {%- if has_copies %}
    qualify trade_id is distinct from lag(trade_id) over (
        order by trade_id, ts_recv, is_kept, source desc, ts_event, price, qty, side
    )
    {%- endif %}
)

select
    '{{ exchange }}' as exchange,
    '{{ symbol }}' as symbol,
    date '{{ day }}' as day,
    trade_id,
    price,
    qty,
    side,
    ts_event,
    ts_recv,
    source
from once
where ts_event >= utc_time({{ from_us }}) and ts_event < utc_time({{ to_us }})
