-- Where the bars of a symbol begin and end, in microseconds; of its first and last day alone.
select min(epoch_us(window_start)) as from_us, max(epoch_us(window_start)) + 1000000 as to_us
from bars_1s
where symbol = {{ literal(symbol) }} and day in (date {{ literal(first) }}, date {{ literal(last) }})
