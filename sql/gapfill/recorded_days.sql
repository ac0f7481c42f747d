-- A UTC day, inside the span of the symbol's known trades, on which it traded or a session was recording it.
-- grain: day_number
with days as (
    select hour // 24 as day_number
    from tape_hours
    union
    select unnest(range(connected_us // 86400000000, ended_us // 86400000000 + 1))
    from connections
    where symbols is null or list_contains(symbols, '{{ symbol }}')
    union
    select unnest(range(first_recv_us // 86400000000, last_recv_us // 86400000000 + 1))
    from noted_pieces
    union
    select start_us // 86400000000
    from noted_covers
)

select day_number
from days, tape_span
where day_number between first_second // 86400 and last_second // 86400
