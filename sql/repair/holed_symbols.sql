-- A symbol of which trade ids are missing, by its certificates, and how many.
-- grain: exchange, symbol
select exchange, symbol, sum(missing)::bigint as missing
from tape_days
where missing > 0
group by all
