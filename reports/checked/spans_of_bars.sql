-- The first and the last recorded day of a symbol in this lake, by the names of its files.
-- grain: exchange, symbol
select exchange, symbol, min(day) as first_day, max(day) as last_day
from all_files
where relation = 'bars_1s' and is_named and not is_schema and {{ is_wanted }}
group by all
