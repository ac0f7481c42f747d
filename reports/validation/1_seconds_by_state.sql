-- Bars by state
-- traded; quiet (proven by trade ids that nobody traded); partial or dark (trade ids are missing).
select
    symbol,
    count(*) as bars,
    count(*) filter (state = 'traded') as traded,
    count(*) filter (state = 'quiet') as quiet,
    count(*) filter (state = 'partial') as partial,
    count(*) filter (state = 'dark') as dark,
    count(*) filter (bid is null) as without_quote
from checked_bars
group by exchange, symbol
order by exchange, symbol
