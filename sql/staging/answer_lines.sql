-- One line of a file of answers: when it was fetched, what was asked and what came, or what is wrong with it.
-- grain: line
-- What follows the last line feed is being written just now, or was cut off by a kill: it is no line yet.
with contents as (
    select content, try(decode(content)) as text
    from read_blob({{ raw_files }})
),

-- content::varchar writes a byte that is not plain text as \xNN: blob and back, line by line, so that one bad byte costs
-- one line
pieces as (
    select
        text is null as is_escaped,
        if(text is null, string_split(content::varchar, '\x0A'), string_split(text, chr(10)))[:-2] as pieces
    from contents
),

texts as (
    select is_escaped, generate_subscripts(pieces, 1)::bigint as line, unnest(pieces) as piece
    from pieces
),

decoded as (
    select line, piece, if(is_escaped, try(decode(piece::blob)), piece) as text
    from texts
),

-- one look at the whole JSON: each costs as much memory as the text several times over
told as (
    select
        line,
        coalesce(text, piece) as text,
        try(from_json(text, '{"fetched_at": "VARCHAR", "request": "JSON", "body": "JSON"}')) as told
    from decoded
    where strlen(piece) > 100 or trim(coalesce(text, piece), ' ' || chr(9) || chr(13)) <> ''
),

judged as (
    select
        line,
        text,
        told.request,
        told.body,
        microseconds(try_cast(regexp_extract(told.fetched_at, '^\d+$') as bigint)) as fetched_us,
        case
            when told is null then 'not a JSON object in UTF-8'
            when fetched_us is null then 'fetched_at is not a time from 2000 to 2099'
            when not coalesce(starts_with(told.request, '{'), false) then 'request is not an object'
            when not coalesce(left(told.body, 1) in ('[', '"'), false) then 'body is neither a list nor text'
        end as flaw
    from told
)

select line, fetched_us, request, if(flaw is null, body, null) as body, if(flaw is null, null, text) as text, flaw
from judged
