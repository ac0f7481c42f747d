-- One raw line of one hour of receipt, typed and judged: the only place where raw market data is parsed.
-- A line that is no JSON object, or a field that is no such number, arrives as nulls (ignore_errors) and is
-- no `is_trade`, `is_quote` or `is_absent`: the relation `rejects` shows it. Numbers are read as text, because
-- a cast rounds the ninth decimal without a word.
{% import 'macros/line_format.jinja' as line_format %}
with parsed as (
    from read_json(
        {{ raw_files }},
        format = 'newline_delimited',
        columns = {{ line_format.columns }},
        ignore_errors = true,
        maximum_object_size = {{ line_format.longest_line }}
    )
)

select
    {{ line_format.is_trade(symbol) }} as is_trade,
    {{ line_format.is_quote(symbol) }} as is_quote,
    {{ line_format.is_absent(symbol) }} as is_absent,
    trade_id,
    update_id,
    first_id,
    last_id,
    conn,
    try_cast(price as decimal(18, 8)) as price,
    try_cast(qty as decimal(28, 8)) as qty,
    side = 'sell' as is_sell,
    try_cast(bid as decimal(18, 8)) as bid,
    try_cast(bid_qty as decimal(28, 8)) as bid_qty,
    try_cast(ask as decimal(18, 8)) as ask,
    try_cast(ask_qty as decimal(28, 8)) as ask_qty,
    coalesce(source = 'rest', false) as is_rest,
    microseconds(ts_event) as event_us,
    microseconds(ts_recv) as recv_us,
    microseconds(coalesce(event_time, ts_event)) as sent_us
from parsed
