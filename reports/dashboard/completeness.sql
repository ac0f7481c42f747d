-- An hour of a symbol: its seconds, how many of them are known for certain, and all by state.
select
    symbol,
    utc_time(epoch_us(window_start) // 3600000000 * 3600000000) as hour,
    count(*) as seconds,
    round(100 * count(*) filter (state in ('traded', 'quiet')) / count(*), 2) as known_percent,
    count(*) filter (state = 'traded') as traded_seconds,
    count(*) filter (state = 'quiet') as quiet_seconds,
    count(*) filter (state = 'partial') as partial_seconds,
    count(*) filter (state = 'dark') as dark_seconds,
    count(*) filter (bid is null) as unquoted_seconds
from bars_1s
where day between date '{{ from_day }}' and date '{{ until_day }}'
    and epoch_us(window_start) >= {{ from_us }}
    and epoch_us(window_start) < {{ to_us }}
group by all
order by hour, symbol
