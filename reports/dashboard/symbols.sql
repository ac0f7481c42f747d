-- A symbol that has bars, with its first and last day, by the names of its files.
select exchange, symbol, min(day) as first_day, max(day) as last_day
from ({{ all_files }})
where is_named and not is_schema
group by all
order by symbol, exchange
