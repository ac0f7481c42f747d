-- A stretch of candles of one state that is not simply traded.
with stepped as (
    select
        state,
        epoch_us(window_start) as us,
        row_number() over (order by window_start) - row_number() over (partition by state order by window_start) as run
    from candles
)

select
    state,
    utc_time(min(us)) as window_start,
    (max(us) - min(us)) // 1000000 + {{ width_s }} as seconds
from stepped
where state <> 'traded'
group by state, run
order by window_start
