-- The first and the last day of a symbol's klines in the range asked for.
-- grain: exchange, symbol
select exchange, symbol, min(day) as first_day, max(day) as last_day
from checked_bars
group by all
