-- The first second of which trades were fetched by their ids.
select strftime(min(ts_event) at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ') as second
from trades
where symbol = 'SOLUSDT' and source = 'rest'
