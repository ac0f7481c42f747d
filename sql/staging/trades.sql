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
    trade_id, -- the exchange's id: contiguous per symbol, which the proof rests on
    price, -- [quote asset] of one base unit, as the exchange sent it
    qty, -- [base asset] how much changed hands
    side, -- the taker's: buy, or sell where the buyer was the maker
    ts_event, -- [UTC] when it happened: trade time T of the exchange
    ts_recv, -- [UTC] when this machine received or fetched it, by its own clock
    source -- ws: heard on the stream, rest: fetched by its id
from once
where ts_event >= utc_time({{ from_us }}) and ts_event < utc_time({{ to_us }})
