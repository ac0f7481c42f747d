-- A run of consecutive trade ids within one hour of one file, with the seconds of its first and last trade.
-- grain: first_id
with numbered as (
    select
        trade_id,
        second_of(ts_event) as second,
        trade_id - row_number() over (partition by second_of(ts_event) // 3600 order by trade_id) as run
    from noted_trades
)

select
    second // 3600 as hour,
    min(trade_id) as first_id,
    max(trade_id) as last_id,
    arg_min(second, trade_id) as first_second,
    arg_max(second, trade_id) as last_second
from numbered
group by hour, run
