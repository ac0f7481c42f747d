-- The seconds of the first and the last known trade of the symbol: where its grid of bars begins and ends.
select min(first_second) as first_second, max(last_second) as last_second
from noted_trade_hours
