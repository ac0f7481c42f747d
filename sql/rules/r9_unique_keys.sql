-- No row is there twice.
-- severity: critical
-- checks: select sum(rows) from published_files
-- breaks: insert into trades from trades where trade_id % 10 = 1
-- Files are sorted by their key. A symbol whose rows come in one piece, with keys that only rise, has none twice, and that
-- costs nothing to see; the rows of all others are counted key by key.
with
{%- for relation in stored %}
{%- set keys = relation.grain | reject('in', ['exchange', 'symbol', 'ticker']) | join(', ') %}
{%- set of = relation.grain | select('in', ['exchange', 'symbol', 'ticker']) | join(', ') %}
{{ relation.name }}_steps as (
    select
        {{ of }},
        row({{ of }}) is distinct from lag(row({{ of }})) over () as is_start,
        row({{ keys }}) <= lag(row({{ keys }})) over () as is_falling
    from {{ relation.name }}
),

{{ relation.name }}_odd as (
    select {{ of }}
    from {{ relation.name }}_steps
    where is_start or is_falling
    group by all
    having count(*) filter (is_start) > 1 or count(*) filter (not is_start) > 0
),

{{ relation.name }}_twice as (
    select {{ of }}, {{ keys }}, min(day) as day, count(*) as copies
    from {{ relation.name }}
    semi join {{ relation.name }}_odd using ({{ of }})
    group by {{ of }}, {{ keys }}
    having count(*) > 1
){{ ',' if not loop.last }}
{%- endfor %}
{% for relation in stored %}
{%- set keys = relation.grain | reject('in', ['exchange', 'symbol', 'ticker']) %}
select
    {{ 'exchange' if 'exchange' in relation.grain else 'null' }} as exchange,
    {{ relation.grain | select('in', ['symbol', 'ticker']) | join or 'null' }} as symbol,
    day_start(day) as window_start,
    concat_ws(
        ' ', '{{ relation.name }}:'
        {%- for key in keys %}, '{{ key }}', shown({{ key }}){% endfor %}, 'is there', copies, 'times'
    ) as detail
from {{ relation.name }}_twice
{{ 'union all' if not loop.last }}
{%- endfor %}
