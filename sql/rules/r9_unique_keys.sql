-- No row is there twice.
-- severity: critical
-- checks: select sum(rows) from published_files
-- breaks: insert into trades from trades where trade_id % 10 = 1
-- Files are sorted by their key. A symbol whose rows come in one piece, with keys that only rise, has none twice, and that
-- costs nothing to see; the rows of all others are counted key by key.
with
{%- for relation in stored %}
{%- set keys = relation.grain | reject('in', ['exchange', 'symbol']) | join(', ') %}
{%- set symbol = 'symbol' if 'symbol' in relation.grain else 'null::varchar' %}
{{ relation.name }}_steps as (
    select
        exchange,
        {{ symbol }} as symbol,
        row(exchange, {{ symbol }}) is distinct from lag(row(exchange, {{ symbol }})) over () as is_start,
        row({{ keys }}) <= lag(row({{ keys }})) over () as is_falling
    from {{ relation.name }}
),

{{ relation.name }}_odd as (
    select exchange, symbol
    from {{ relation.name }}_steps
    where is_start or is_falling
    group by all
    having count(*) filter (is_start) > 1 or count(*) filter (not is_start) > 0
),

{{ relation.name }}_twice as (
    select exchange, {{ symbol }} as symbol, {{ keys }}, min(day) as day, count(*) as copies
    from {{ relation.name }} as kept
    semi join {{ relation.name }}_odd as odd
        on odd.exchange = kept.exchange and odd.symbol is not distinct from {{ symbol.replace('symbol', 'kept.symbol') }}
    group by exchange, symbol, {{ keys }}
    having count(*) > 1
){{ ',' if not loop.last }}
{%- endfor %}
{% for relation in stored %}
{%- set keys = relation.grain | reject('in', ['exchange', 'symbol']) %}
select
    exchange,
    symbol,
    day_start(day) as window_start,
    concat_ws(
        ' ', '{{ relation.name }}:'
        {%- for key in keys %}, '{{ key }}', shown({{ key }}){% endfor %}, 'is there', copies, 'times'
    ) as detail
from {{ relation.name }}_twice
{{ 'union all' if not loop.last }}
{%- endfor %}
