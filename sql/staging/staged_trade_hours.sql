-- The notes of one hour of receipt: its trades by hour of trade, with the copies that fell out.
-- grain: hour
with heard as (
    select event_us // 3600000000 as hour, count(*) as lines
    from lines
    where is_trade
    group by all
)

select trade_hours.*, heard.lines - trade_hours.trades as duplicates
from trade_hours
left join heard using (hour)
