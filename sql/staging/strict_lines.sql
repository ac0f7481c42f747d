-- One raw line of one hour of receipt, read by itself: where it stands, its text, its columns or its flaw.
-- grain: file, line
-- Slower than DuckDB's reader of whole files, and stricter: used where that one met something odd, and for lakes that
-- others wrote.
{% import 'macros/line_format.jinja' as line_format %}
{# where a number that is not in quotes stands in the text of a line #}
{% macro bare(column) %}[{,]\s*"{{ column }}"\s*:\s*(-?[0-9.eE+-]+){% endmacro %}
with judged as (
    select
        *,
        case
            when is_endless then 'longer than {{ line_format.longest_line }} bytes; these are its first ones'
            when json is null then 'not JSON in UTF-8'
            when json_type(json) <> 'OBJECT' then 'not a JSON object'
            when regexp_matches(json, ',\s*\}\s*$') then 'a comma after the last value'
            when len(json_keys(json)) <> len(list_distinct(json_keys(json))) then 'a key is there twice'
            {%- for name in line_format.integers %}
            when json_type(json, '$.{{ name }}') <> 'NULL'
                and try_cast(regexp_extract(json ->> '$.{{ name }}', '^-?\d+$') as bigint) is null
                then '{{ name }} is not an integer'
            {%- endfor %}
            {%- for name in line_format.decimals %}
            when json_type(json, '$.{{ name }}') in ('DOUBLE', 'BIGINT', 'UBIGINT')
                and not coalesce(
                    try_cast(regexp_extract_all(json, '{{ bare(name) }}', 1) as double[])
                        in ([], [try_cast(json ->> '$.{{ name }}' as double)]),
                    false
                )
                then '{{ name }} without quotes stands there twice'
            {%- endfor %}
        end as flaw
    from line_texts
),

parsed as (
    select
        file,
        line,
        text,
        flaw,
        if(flaw is null, json, null) as json,
        unnest(from_json(if(flaw is null, json, null), {{ line_format.columns | structure }}))
    from judged
)

-- a number that is not in quotes is taken as it is written, not as DuckDB's JSON writes it again
select
    * exclude (json) replace (
        {%- for name in line_format.decimals %}
        if(
            json_type(json, '$.{{ name }}') in ('DOUBLE', 'BIGINT', 'UBIGINT'),
            regexp_extract(json, '{{ bare(name) }}', 1),
            {{ name }}
        ) as {{ name }}{{ '' if loop.last else ',' }}
        {%- endfor %}
    )
from parsed
