-- Differences to the official klines
-- In the base volume of the bars whose trades are all known, and of those with missing trades.
-- absent: not applicable: no klines
select
    bars.symbol,
    count(*) as compared,
    count(*) filter (bars.state in ('partial', 'dark')) as incomplete,
    count(*) filter (bars.volume_base is distinct from klines.volume::double) as different,
    max(abs(bars.volume_base - klines.volume)) as most,
    round(sum(bars.volume_base - klines.volume) / nullif(sum(klines.volume), 0) * 10000, 2) as bps_of_all
from bars_{{ tf }} as bars
inner join klines
    on klines.exchange = bars.exchange
    and klines.symbol = bars.symbol
    and klines.open_time = bars.window_start
where klines.interval = '{{ tf }}'
group by bars.exchange, bars.symbol
order by bars.exchange, bars.symbol
