-- The end of a symbol's newest bar.
-- grain: exchange, symbol
select
    exchange,
    symbol,
    max(epoch_us(day_start(day)) + (last_second + 1)::bigint * 1000000) as us
from bar_days
group by all
