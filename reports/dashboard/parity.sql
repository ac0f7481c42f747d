-- The official klines of a symbol's day beside our minutes: how many agree, by verdict.
select day, symbol, verdict, count(*) as minutes, max(abs(volume_diff_bps)) as worst_volume_bps
from compare_our_vs_kline_1m
where day between date '{{ from_day }}' and date '{{ until_day }}'
    and symbol in {{ literal(symbols) }}
group by all
order by day desc, symbol, verdict
