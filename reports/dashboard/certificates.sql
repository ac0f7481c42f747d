-- The certificate of a symbol's day: which trade ids it has, and how many are missing.
select day, symbol, verdict, count as trades, missing, duplicates, repaired, absent_upstream, first_id, last_id
from tape
where day between date '{{ from_day }}' and date '{{ until_day }}'
order by day desc, symbol
