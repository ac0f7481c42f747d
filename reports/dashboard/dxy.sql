-- The synthetic dollar index, the last value of every {{ width }}.
{%- set width_us = "epoch_us(interval '" ~ width ~ "')" %}
select
    utc_time(epoch_us(window_start) // {{ width_us }} * {{ width_us }}) as window_start,
    arg_max(dxy_synthetic, dxy_synthetic_minute.window_start) as dxy_synthetic
from dxy_synthetic_minute
where day between date '{{ from_day }}' and date '{{ until_day }}'
    and epoch_us(window_start) >= {{ from_us }}
    and epoch_us(window_start) < {{ to_us }}
group by 1
order by 1
