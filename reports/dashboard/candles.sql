-- One candle: the bars of one second of a symbol, {{ width }} of them together, and their spreads.
{% from 'macros/ohlcv.jinja' import ohlcv %}
{%- set width_us = "epoch_us(interval '" ~ width ~ "')" %}
with chosen as (
    select *
    from bars_1s
    where symbol = {{ literal(symbol) }}
        and day between date '{{ from_day }}' and date '{{ until_day }}'
        and epoch_us(window_start) >= {{ from_us }}
        and epoch_us(window_start) < {{ to_us }}
),

candles as (
    {{ ohlcv('chosen', width) | indent(4) }}
),

spreads as (
    select
        utc_time(epoch_us(window_start) // {{ width_us }} * {{ width_us }}) as window_start,
        avg(spread / (bid + ask) * 20000) as mean_spread_bps,
        max(spread / (bid + ask) * 20000) as max_spread_bps
    from chosen
    where bid + ask > 0
    group by all
)

select
    candles.symbol,
    candles.window_start,
    open,
    high,
    low,
    close,
    volume_base,
    volume_quote,
    trade_count,
    vwap,
    bid,
    ask,
    mean_spread_bps,
    max_spread_bps,
    state,
    traded_seconds,
    quiet_seconds,
    partial_seconds,
    dark_seconds,
    case when close >= open then 'up' when close < open then 'down' end as direction
from candles
left join spreads on spreads.window_start = candles.window_start
order by candles.window_start
