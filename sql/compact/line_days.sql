-- A UTC day that trades in a day's raw lines fall in, by their trade time.
-- grain: day
select distinct date '1970-01-01' + (event_us // 86400000000)::integer as day
from lines
where is_trade
