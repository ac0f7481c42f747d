-- A trade of a sealed day to which late lines came: of copies the earliest receipt stays, in doubt the sealed one.
-- grain: exchange, symbol, trade_id
-- What was sealed is taken as it is; only what is late is made by the trades' SQL of today.
with received as (
    select *, false as is_late
    from sealed_trades
    union all by name
    select *, true as is_late
    from late_trades
)

select * exclude (is_late)
from received
qualify row_number() over (partition by trade_id order by ts_recv, is_late) = 1
