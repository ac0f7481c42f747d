-- Raw lines that could not be read exactly, by symbol, day and reason.
select symbol, day, reason, count(*) as lines, any_value(file) as a_file
from rejects
group by all
order by day desc, lines desc, symbol
limit 200
