-- A hole that is not filled without being asked for, and what that would cost.
-- grain: after_id
-- A page has 1,000 trades, of which the first is known; the exchange allows a weight of 6,000 a minute.
with counted as (
    select *, (missing + 998) // 999 as requests
    from holes
    where missing > {{ repair.max_ids_per_hole }}
)

select
    '{{ symbol }}' as symbol,
    before_id + 1 as first_id,
    after_id - 1 as last_id,
    missing as ids,
    utc_text(utc_time(from_second * 1000000)) as from_text,
    utc_text(utc_time(to_second * 1000000)) as to_text,
    requests,
    requests * 25 as weight,
    (requests * 25 + 5999) // 6000 as minutes,
    after_id
from counted
