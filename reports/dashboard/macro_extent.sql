-- Where the macro minutes begin and end, in microseconds, and their tickers.
select
    min(epoch_us(window_start)) as from_us,
    max(epoch_us(window_start)) + 60000000 as to_us,
    list(distinct ticker order by ticker) as tickers
from macro_minute
having count(*) > 0
