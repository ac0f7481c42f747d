-- One raw line of one hour of receipt, typed and judged: the only place where raw market data is parsed.
-- Numbers are read as text, because a cast rounds the ninth decimal without a word. DuckDB's reader makes nulls of
-- what it cannot read and rounds a fraction in an integer's place; so where a line is no trade, quote or absent id,
-- or the bytes do not add up (`written`), the hour is read once more, line by line: `strict_lines`.
{% import 'macros/line_format.jinja' as line_format %}
{% import 'macros/written_line.jinja' as written_line %}
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
),

typed as (
    {{ line_format.typed('parsed') }}
)

select
    {{ line_format.is_trade(symbol, day) }} as is_trade,
    {{ line_format.is_quote(symbol, day) }} as is_quote,
    {{ line_format.is_absent(symbol) }} as is_absent,
    {{ written_line.length() }} as written_length,
    trade_id,
    update_id,
    first_id,
    last_id,
    conn,
    price_read as price,
    {{ line_format.size('qty') }} as qty,
    side = 'sell' as is_sell,
    bid_read as bid,
    {{ line_format.size('bid_qty') }} as bid_qty,
    ask_read as ask,
    {{ line_format.size('ask_qty') }} as ask_qty,
    coalesce(source = 'rest', false) as is_rest,
    event_us,
    recv_us,
    microseconds(coalesce(event_time, ts_event)) as sent_us
from typed
