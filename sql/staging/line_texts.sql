-- One raw line of one hour of receipt as text: where it stands, and the same once more where it is JSON.
-- grain: day, file, line
{% import 'macros/line_format.jinja' as line_format %}
with texts as (
    select
        parse_path(filename, 'both_slash')[-2] as day,
        parse_path(filename, 'both_slash')[-1] as file,
        generate_subscripts(pieces, 1) as line,
        unnest(pieces) as piece
    from (
        select filename, string_split(content::varchar, '\x0A') as pieces
        from read_blob({{ raw_files }})
    )
),

-- content::varchar writes a byte that is not plain text as \xNN: blob and back, so that no byte is lost
cut as (
    select
        day,
        file,
        line::bigint as line,
        octet_length(piece::blob) > {{ line_format.longest_line }} as is_endless,
        if(is_endless, left(piece, 1000), piece) as piece
    from texts
),

decoded as (
    select day, file, line, is_endless, piece, try(decode(piece::blob)) as text
    from cut
)

-- json is null where it is none: DuckDB may evaluate a branch of `case` for all rows, and JSON functions stop at bad text
select
    day,
    file,
    line,
    is_endless,
    coalesce(text, piece) as text,
    if(json_valid(text) and not is_endless, text, null) as json
from decoded
where coalesce(trim(text, ' ' || chr(9) || chr(13)), piece) <> ''
