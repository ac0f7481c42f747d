-- Macro bars of some tickers, {{ width }} each, with the change since the range began.
{%- set width_us = "epoch_us(interval '" ~ width ~ "')" %}
with chosen as (
    select ticker, window_start, open, high, low, close, volume
    from macro_minute
    where ticker in {{ literal(tickers) }}
        and day between date '{{ from_day }}' and date '{{ until_day }}'
        and epoch_us(window_start) >= {{ from_us }}
        and epoch_us(window_start) < {{ to_us }}
),

bars as (
    select
        ticker,
        utc_time(epoch_us(window_start) // {{ width_us }} * {{ width_us }}) as window_start,
        arg_min(open, chosen.window_start) as open,
        max(high) as high,
        min(low) as low,
        arg_max(close, chosen.window_start) as close,
        sum(volume) as volume
    from chosen
    group by all
)

select
    *,
    (close / first_value(close) over (partition by ticker order by window_start) - 1) * 100 as change_percent
from bars
order by window_start, ticker
