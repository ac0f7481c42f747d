-- A published file whose hash the archive keeps, with the hash and the rows that it has now.
-- grain: relation, exchange, symbol, day
select relation, exchange, symbol, day, sha256, rows
from asked_files
inner join hashes using (file)
left join footers using (file)
