-- A published file of the symbols and days asked for, with its rows; null where it cannot be read.
-- grain: file
select relation, exchange, symbol, day, of_interval, all_files.file, is_named, rows
from asked_files as all_files
left join footers using (file)
