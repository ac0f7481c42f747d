-- A file that lies where the files of a relation lie, with the exchange, symbol (or ticker) and day of its folders.
-- grain: file
with found as (
    {%- for place in places %}
    select
        '{{ place.relation }}' as relation,
        parse_path(file, 'both_slash') as steps,
        {{ place.exchange_at }} as exchange_at,
        {{ place.symbol_at }} as symbol_at,
        '{{ place.name }}' as name,
        {{ as_posix('file') }} as file
    from glob('{{ place.pattern }}')
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

named as (
    select
        * exclude (exchange_at, symbol_at),
        if(exchange_at is null, null, decode(replace(steps[exchange_at], '%', '\x')::blob)) as exchange,
        if(symbol_at is null, null, decode(replace(steps[symbol_at], '%', '\x')::blob)) as symbol,
        try_cast(
            concat_ws('-', split_part(steps[-4], '=', 2), split_part(steps[-3], '=', 2), split_part(steps[-2], '=', 2))
            as date
        ) as day
    from found
)

select
    relation,
    exchange,
    symbol,
    day,
    -- two files of a day are no copies where their names tell their intervals
    if(contains(name, '{interval}'), steps[-1], null) as of_interval,
    file,
    coalesce(steps[-1] glob replace(replace(name, '{day}', day::varchar), '{interval}', '*'), false) as is_named,
    coalesce(exchange, symbol) = '_schema' as is_schema
from named
