-- The newest price of each symbol, and how old it is by this machine's clock.
select
    symbol,
    window_start as newest_bar,
    price,
    state,
    round((epoch_us(now()) - epoch_us(window_start)) / 60000000, 1) as age_minutes
from latest_price
order by symbol
