-- The symbols with official minutes in a range: only their bars are compared.
select list(distinct symbol order by symbol) as symbols
from klines_1m
where day between date '{{ from_day }}' and date '{{ until_day }}'
having count(*) > 0
