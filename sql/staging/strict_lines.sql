-- One raw line of one hour of receipt, read by itself: where it stands, its text, its columns or its flaw.
-- grain: file, line
-- Slower than DuckDB's reader of whole files, and stricter: used where that one met something odd, and for lakes that
-- others wrote.
{% import 'macros/line_format.jinja' as line_format %}
with texts as (
    select
        parse_path(filename, 'both_slash')[-1] as file,
        generate_subscripts(pieces, 1) as line,
        unnest(pieces) as piece
    from (
        select filename, string_split(content::varchar, '\x0A') as pieces
        from read_blob({{ raw_files }})
    )
),

-- content::varchar writes a byte that is not plain text as \xNN: blob and back, so that no byte is lost
decoded as (
    select file, line::bigint as line, piece, try(decode(piece::blob)) as text
    from texts
),

-- null where it is no JSON: DuckDB may evaluate a branch of `case` for all rows, and JSON functions stop at bad text
checked as (
    select file, line, coalesce(text, piece) as text, if(json_valid(text), text, null) as json
    from decoded
    where coalesce(trim(text, ' ' || chr(9) || chr(13)), piece) <> ''
),

judged as (
    select
        *,
        case
            when json is null then 'not JSON in UTF-8'
            when json_type(json) <> 'OBJECT' then 'not a JSON object'
            when regexp_matches(json, ',\s*\}\s*$') then 'a comma after the last value'
            when len(json_keys(json)) <> len(list_distinct(json_keys(json))) then 'a key is there twice'
            {%- for name in line_format.integers %}
            when coalesce(json_type(json, '$.{{ name }}'), 'NULL') not in ('BIGINT', 'UBIGINT', 'NULL')
                and not regexp_full_match(json ->> '$.{{ name }}', '-?\d{1,18}')
                then '{{ name }} is not an integer'
            {%- endfor %}
        end as flaw
    from checked
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
            regexp_extract(json, '"{{ name }}"\s*:\s*(-?[0-9.eE+-]+)', 1),
            {{ name }}
        ) as {{ name }}{{ '' if loop.last else ',' }}
        {%- endfor %}
    )
from parsed
