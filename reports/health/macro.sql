-- How many minutes of macro instruments the lake has of today.
-- absent: no macro data was built yet
select count(*) as macro_min_rows_today
from macro_minute
where day = date '{{ today }}'
