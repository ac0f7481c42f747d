-- A moment at which the collector found that a connection delivered nothing more for the symbol.
-- grain: conn, recv_us
with moments as (
    select conn, unnest(stalls, recursive := true)
    from sessions
)

select distinct conn, epoch_us(stalled_at) as recv_us
from moments
where coalesce(symbol, '{{ symbol }}') = '{{ symbol }}'
