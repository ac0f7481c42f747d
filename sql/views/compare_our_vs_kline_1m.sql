-- One minute that our bars and the official klines both have, side by side: differences are ours minus theirs.
-- grain: exchange, symbol, window_start
-- `verdict`: equal; different, in the fields that `differing` names; or incomplete: trades of our minute are not known.
{% set fields = [
    ('open', 'open'), ('high', 'high'), ('low', 'low'), ('close', 'close'), ('volume', 'volume_base'),
    ('quote_volume', 'volume_quote'), ('trade_count', 'trade_count'), ('taker_buy_base', 'taker_buy_base'),
    ('taker_buy_quote', 'taker_buy_quote')
] %}
with paired as (
    select
        ours.exchange,
        ours.symbol,
        ours.day,
        ours.window_start,
        ours.partial_seconds,
        ours.dark_seconds,
        ours.traded_seconds + ours.quiet_seconds = 60 as is_complete,
        {%- for name, column in fields %}
        ours.{{ column }} as our_{{ name }},
        klines_1m.{{ column }} as kline_{{ name }},
        {%- endfor %}
        concat_ws(
            ', '
            {%- for name, column in fields %},
            case when ours.{{ column }} is distinct from klines_1m.{{ column }} then '{{ name }}' end
            {%- endfor %}
        ) as differing
    from bars_1m as ours
    inner join klines_1m using (exchange, symbol, day, window_start)
)

select
    exchange,
    symbol,
    day,
    window_start,
    {%- for name in ['open', 'high', 'low', 'close'] %}
    our_{{ name }}, -- [quote asset] {{ name }} of our bar; NULL: dark
    kline_{{ name }}, -- [quote asset] {{ name }} of the kline
    our_{{ name }} - kline_{{ name }} as {{ name }}_diff, -- [quote asset] ours minus theirs; NULL: dark
    {%- endfor %}
    our_volume, -- [base asset] volume_base of our bar; NULL: dark
    kline_volume, -- [base asset] volume of the kline
    -- [base asset] how far they are apart, whichever is larger; NULL: dark
    abs(our_volume - kline_volume) as volume_diff_abs,
    -- [basis points] ours minus theirs, of theirs; NULL: dark, or theirs is 0
    (our_volume - kline_volume) / nullif(kline_volume, 0) * 10000 as volume_diff_bps,
    {%- for name in ['quote_volume', 'trade_count', 'taker_buy_base', 'taker_buy_quote'] %}
    {%- set unit = {'trade_count': 'trades', 'taker_buy_base': 'base asset'}.get(name, 'quote asset') %}
    our_{{ name }}, -- [{{ unit }}] of our bar; NULL: dark
    kline_{{ name }}, -- [{{ unit }}] of the kline
    our_{{ name }} - kline_{{ name }} as {{ name }}_diff, -- [{{ unit }}] ours minus theirs; NULL: dark
    {%- endfor %}
    partial_seconds,
    dark_seconds,
    -- equal; different; or incomplete: trades of our minute are not known
    case
        when not is_complete then 'incomplete'
        when differing = '' then 'equal'
        else 'different'
    end as verdict,
    nullif(differing, '') as differing -- which of the nine fields differ; NULL: none
from paired
