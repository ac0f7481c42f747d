-- Where funding and open interest begin and end, in microseconds, and their symbols.
select
    min(epoch_us(window_start)) as from_us,
    max(epoch_us(window_start)) + 3600000000 as to_us,
    list(distinct symbol order by symbol) as symbols
from funding_oi_hourly
having count(*) > 0
