-- One raw line of one hour of receipt, typed and judged: the only place where raw market data is parsed.
-- Numbers are read as text, because a cast rounds the ninth decimal without a word. DuckDB's reader makes nulls of
-- what it cannot read and rounds a fraction in an integer's place; so where a line is no trade, quote or absent id,
-- or the bytes do not add up (`written_length`, `written_quotes`), the hour is read once more, line by line: `strict_lines`.
{% import 'macros/line_format.jinja' as line_format %}
with parsed as (
    {%- if is_strict %}
    from strict_lines
    {%- else %}
    from read_json(
        {{ raw_files }},
        format = 'newline_delimited',
        columns = {{ line_format.columns }},
        ignore_errors = true,
        maximum_object_size = {{ line_format.longest_line }}
    )
    {%- endif %}
)

select
    {{ line_format.is_trade(symbol, day) }} as is_trade,
    {{ line_format.is_quote(symbol, day) }} as is_quote,
    {{ line_format.is_absent(symbol) }} as is_absent,
    {{ line_format.written_length() }} as written_length,
    {{ line_format.written_quotes }} as written_quotes,
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
