-- The minutes of one symbol.
select
    strftime(window_start at time zone 'UTC', '%H:%M') as minute,
    close,
    round(vwap, 4) as vwap,
    round(volume_base, 2) as volume,
    trade_count,
    quiet_seconds as quiet,
    dark_seconds as dark
from bars_1m
where symbol = 'SOLUSDT'
order by window_start
