-- One minute of a synthetic dollar index, from the closes of its six currencies; not the index of that name itself.
-- grain: window_start
-- Only minutes in which all six have a close: none is carried forward.
{% set legs = {
    'eurusd': ['EURUSD=X'], 'usdjpy': ['USDJPY=X', 'JPY=X'], 'gbpusd': ['GBPUSD=X'],
    'usdcad': ['USDCAD=X', 'CAD=X'], 'usdsek': ['USDSEK=X', 'SEK=X'], 'usdchf': ['USDCHF=X', 'CHF=X']
} %}
with legs as (
    select
        day,
        window_start
        {%- for leg, names in legs.items() %},
        coalesce(
            {%- for name in names %}
            max(close) filter (ticker = '{{ name }}'){{ '' if loop.last else ',' }}
            {%- endfor %}
        ) as {{ leg }}
        {%- endfor %}
    from macro_minute
    where ticker in ('{{ legs.values() | map('join', "', '") | join("', '") }}')
    group by day, window_start
)

select
    day,
    window_start,
    dxy_synthetic({{ legs | join(', ') }}) as dxy_synthetic, -- [index points] of the six below
    {%- for leg, names in legs.items() %}
    {{ leg }}{{ '' if loop.last else ',' }} -- [as Yahoo quotes it] close of {{ names | join(' or ') }}
    {%- endfor %}
from legs
where dxy_synthetic is not null
