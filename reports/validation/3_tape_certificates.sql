-- Certificates of the tape
-- The trade ids of each UTC day: known, missing, received twice, fetched later, absent at the exchange itself.
select
    asked_days.symbol,
    asked_days.day,
    tape_days.count as trades,
    missing,
    duplicates as twice,
    repaired as later,
    absent_upstream as absent,
    coalesce(verdict, 'not recorded') as verdict
from asked_days
left join tape_days
    on tape_days.exchange = asked_days.exchange
    and tape_days.symbol = asked_days.symbol
    and tape_days.day = asked_days.day
order by asked_days.exchange, asked_days.symbol, asked_days.day
