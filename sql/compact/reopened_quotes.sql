-- A quote of a sealed day to which late lines came: of copies the earliest receipt stays, in doubt the sealed one.
-- grain: exchange, symbol, update_id
-- What was sealed is taken as it is; only what is late is made by the quotes' SQL of today.
with received as (
    select *, false as is_late
    from sealed_quotes
    union all by name
    select *, true as is_late
    from late_quotes
)

select * exclude (is_late)
from received
qualify row_number() over (partition by update_id order by ts_recv, is_late) = 1
