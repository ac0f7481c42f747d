-- A relation of the lake, narrowed to the symbols and days asked for: only their files are opened.
-- Stretches of time may have begun the day before, or end the day after.
{%- set margin = 1 if relation in ('covers', 'sessions') else 0 %}
select *
from memory.main.{{ relation }}
where day between date '{{ from_day }}' - {{ margin }} and date '{{ until_day }}' + {{ margin }}
{%- if has_symbol %}
    and {{ is_wanted }}
{%- endif %}
