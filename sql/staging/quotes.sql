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
    update_id, -- the order book's update id; in lakes without it, made of the time of receipt
    bid, -- [quote asset] the best price that is bid
    bid_qty, -- [base asset] how much is bid at it; NULL: raw of an older lake, without sizes
    ask, -- [quote asset] the best price that is asked
    ask_qty, -- [base asset] how much is offered at it; NULL: raw of an older lake, without sizes
    ts_event, -- [UTC] when it was received, moved onto the exchange's clock
    ts_recv -- [UTC] when this machine received it, by its own clock
from once
where ts_event >= utc_time({{ from_us }}) and ts_event < utc_time({{ to_us }})
