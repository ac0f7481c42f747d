-- One line of the collector's session log, read by itself: where it stands, its text, its columns or its flaw.
-- grain: day, file, line
with judged as (
    select
        *,
        case
            when is_endless then 'too long; these are its first bytes'
            when json is null then 'not JSON in UTF-8'
            when json_type(json) <> 'OBJECT' then 'not a JSON object'
            when len(json_keys(json)) <> len(list_distinct(json_keys(json))) then 'a key is there twice'
            {%- for name in ['ts_recv', 'conn', 'first_id', 'last_id', 'count', 'offset'] %}
            when json_type(json, '$.{{ name }}') <> 'NULL'
                and try_cast(regexp_extract(json ->> '$.{{ name }}', '^-?\d+$') as bigint) is null
                then '{{ name }} is not an integer'
            {%- endfor %}
            when coalesce(json_type(json, '$.event'), 'NULL') <> 'VARCHAR' then 'event is not a word'
            when coalesce(json_type(json, '$.symbols'), 'NULL') not in ('ARRAY', 'NULL') then 'symbols is not a list'
            when microseconds(try_cast(json ->> '$.ts_recv' as bigint)) is null
                then 'ts_recv is not a time from 2000 to 2099'
        end as flaw
    from line_texts
)

select
    day,
    file,
    line,
    text,
    flaw,
    unnest(
        from_json(
            if(flaw is null, json, null),
            '{"event": "VARCHAR", "ts_recv": "BIGINT", "conn": "BIGINT", "mode": "VARCHAR", "symbols": ["VARCHAR"],
            "symbol": "VARCHAR", "stream": "VARCHAR", "first_id": "BIGINT", "last_id": "BIGINT", "count": "BIGINT",
            "offset": "BIGINT", "detail": "VARCHAR"}'
        )
    )
from judged
