-- A moment at which the collector found that a connection delivered nothing more for the symbol.
-- grain: conn, recv_us
select distinct conn, recv_us
from session_events
where event = 'stalled' and coalesce(symbol, '{{ symbol }}') = '{{ symbol }}'
