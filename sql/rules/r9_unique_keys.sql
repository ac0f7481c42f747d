-- No row is there twice.
-- severity: critical
-- checks: select sum(rows) from published_files
-- breaks: insert into trades from trades limit 1
-- Files are sorted by their key: keys that only rise are unique, and cost nothing to look at. Only where one does not
-- rise are the rows of its symbol counted key by key.
with
{%- for relation in stored %}
{%- set keys = relation.grain | reject('in', ['exchange', 'symbol']) | join(', ') %}
{%- set symbol = 'symbol' if 'symbol' in relation.grain else 'null::varchar' %}
{{ relation.name }}_steps as (
    select
        exchange,
        {{ symbol }} as symbol,
        row(exchange, {{ symbol }}, {{ keys }}) <= lag(row(exchange, {{ symbol }}, {{ keys }})) over () as is_odd
    from {{ relation.name }}
),

{{ relation.name }}_twice as (
    select exchange, {{ symbol }} as symbol, {{ keys }}, min(day) as day, count(*) as copies
    from {{ relation.name }} as kept
    semi join (from {{ relation.name }}_steps where is_odd) as odd
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
