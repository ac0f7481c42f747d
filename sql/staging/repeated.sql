-- Whether a trade or quote may be there more than once in an hour of receipt, so that copies must be looked for.
-- grain: trades, quotes
-- In whatever order the lines come: where each id is greater than the one before it, none is there twice. So it is
-- while one connection delivers.
with traded as (
    select trade_id <= lag(trade_id) over () as falls
    from lines
    where is_trade
),

quoted as (
    select update_id is null or update_id <= lag(update_id) over () as falls
    from lines
    where is_quote
)

select
    coalesce((select bool_or(falls) from traded), false) as trades,
    coalesce((select bool_or(falls) from quoted), false) as quotes
