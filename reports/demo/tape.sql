-- The certificate: which trade ids the lake has.
select symbol, first_id, last_id, count, missing, repaired, verdict
from tape
order by symbol
