-- A file of the symbols and days asked for.
-- grain: file
select relation, exchange, symbol, day, of_interval, file, is_named
from all_files
where not is_schema
    and coalesce(day between date '{{ from_day }}' and date '{{ until_day }}', true)
    and (symbol is null or {{ is_wanted }})
