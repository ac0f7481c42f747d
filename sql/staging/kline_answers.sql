-- One official kline as one answer gave it, or what is wrong with it (`flaw`); other answers may hold it too.
-- grain: line, position
-- raw: binance/_rest/klines_{interval}/{symbol}
-- fetch: `lake backfill`
-- REST answers with a list of lists, the archive with CSV. A kline that was still open when it was fetched is none yet.
{% import 'macros/kline_format.jinja' as kline_format %}
with answers as (
    select
        line,
        text,
        coalesce(
            flaw,
            case
                when (request ->> '$.symbol', request ->> '$.interval') = ('{{ symbol }}', '{{ interval }}') then null
                else concat_ws(' ', 'asked for', request ->> '$.symbol', request ->> '$.interval', 'and filed here')
            end
        ) as flaw
    from answer_lines
),

good as (
    from answer_lines
    where line not in (select line from answers where flaw is not null)
),

-- a row at a time: as values, the pages of a file take a dozen times its bytes
rows_of_rest as (
    select line, fetched_us, generate_subscripts(rows, 1) as position, unnest(rows) as row_text
    from (select line, fetched_us, from_json(body, '["JSON"]') as rows from good where starts_with(body, '['))
),

fields as (
    select line, fetched_us, position, from_json(row_text, '["JSON"]')::varchar[] as fields, '"' as mark
    from rows_of_rest
    union all
    select line, fetched_us, position, string_split(rtrim(piece, chr(13)), ','), ''
    from (
        select line, fetched_us, generate_subscripts(csv, 1) as position, unnest(csv) as piece
        from (select line, fetched_us, string_split(body ->> '$', chr(10)) as csv from good where starts_with(body, '"'))
    )
    where trim(piece, chr(13)) <> '' and not (position = 1 and starts_with(piece, 'open_time'))
),

named as (
    select line, fetched_us, position, fields, len(fields) as size, {{ kline_format.named('fields', 'mark') }}
    from fields
),

typed as (
    select *, {{ kline_format.typed() }}
    from named
),

judged as (
    select *, {{ kline_format.flaw("kline_width_us('" ~ interval ~ "')") }} as flaw
    from typed
)

select
    'binance' as exchange,
    '{{ symbol }}' as symbol,
    utc_day(open_us) as day,
    '{{ interval }}' as interval,
    utc_time(open_us) as open_time,
    {%- for name in kline_format.prices + kline_format.volumes %}
    try_cast({{ name }} as decimal(28, 8)) as {{ name }},
    {%- endfor %}
    trades_read as trades,
    utc_time(close_us) as close_time,
    fetched_us,
    line,
    position,
    if(flaw is null, null, coalesce(array_to_string(fields, ','), 'no list')) as text,
    flaw
from judged
where flaw is not null or close_us < fetched_us
union all by name
select line, 0 as position, text, flaw
from answers
where flaw is not null
