-- The clock is right.
-- severity: major
-- checks: select sum(trades) from latencies
-- absent: no trades received live
-- breaks: update latencies set median_ms = -60000
-- This machine's, beside the exchange's: by its time endpoint, and by when trades arrive.
select
    exchange,
    symbol,
    day_start(day) as window_start,
    if(
        median_ms < 0,
        format('the clock is {:.2f} s slow: half of the trades came that long before they were made', -median_ms / 1000),
        format('half of the trades came {:.2f} s late, or the clock is that fast', median_ms / 1000)
    ) as detail
from latencies
where (median_ms between -{{ rules.max_clock_offset_ms }} and {{ rules.max_latency_ms }}) is not true
union all
select
    exchange,
    null,
    connected_at,
    format('the exchange''s time is {:.2f} s off this machine''s clock', clock_offset_us / 1000000)
from sessions
where abs(clock_offset_us) > {{ rules.max_clock_offset_ms }} * 1000
    and epoch_us(connected_at) < {{ to_us }}
    and epoch_us(coalesce(ended_at, connected_at)) >= {{ from_us }}
