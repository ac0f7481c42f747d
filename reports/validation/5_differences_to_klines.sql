-- Differences to the official klines
-- In the base volume of the bars whose trades are all known, and of those with missing trades.
-- absent: not applicable: no klines
with compared as (
    {%- for width in [tf, '1m'] | unique %}
    {{ 'union all' if not loop.first }}
    select bars.exchange, bars.symbol, '{{ width }}' as tf, bars.state, bars.volume_base, klines.volume
    from bars_{{ width }} as bars
    inner join klines
        on klines.exchange = bars.exchange
        and klines.symbol = bars.symbol
        and klines.open_time = bars.window_start
    where klines.interval = '{{ width }}'
    {%- endfor %}
)

select
    symbol,
    tf,
    count(*) as compared,
    count(*) filter (state in ('partial', 'dark')) as incomplete,
    count(*) filter (volume_base is distinct from volume::double) as different,
    max(abs(volume_base - volume)) as most,
    round(sum(volume_base - volume) / nullif(sum(volume), 0) * 10000, 2) as bps_of_all
from compared
group by exchange, symbol, tf
order by exchange, symbol, tf
