-- Ask is not below bid.
-- severity: critical
-- checks: select count(*) from checked_bars where bid is not null and ask is not null
-- breaks: update checked_bars set ask = bid - 1
select exchange, symbol, window_start, format('bid {} ask {}', bid, ask) as detail
from checked_bars
where bid is not null
    and ask is not null
    and (ask >= bid and isfinite(bid) and isfinite(ask)) is not true
