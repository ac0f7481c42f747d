-- Funding rate and open interest of some symbols, hour by hour.
select
    exchange,
    symbol,
    window_start,
    funding_rate,
    funding_rate * 10000 as funding_bps,
    open_interest,
    oi_usd
from funding_oi_hourly
where symbol in {{ literal(symbols) }}
    and epoch_us(window_start) >= {{ from_us }}
    and epoch_us(window_start) < {{ to_us }}
order by window_start, symbol
