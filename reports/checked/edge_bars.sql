-- A bar that is partial only because the lake begins or ends in it: the trade id beside is not known yet.
-- grain: exchange, symbol, us
with edges as (
    select
        exchange,
        symbol,
        min(epoch_us(window_start)) filter (day = first_day) as first_us,
        max(epoch_us(window_start)) filter (day = last_day) as last_us
    from bars_1s
    inner join spans using (exchange, symbol)
    group by all
),

edged as (
    select
        exchange,
        symbol,
        epoch_us(window_start) // {{ width_us }} * {{ width_us }} as us,
        coalesce(epoch_us(window_start) in (first_us, last_us), false) as is_edge,
        state
    from bars_1s
    inner join edges using (exchange, symbol)
    where epoch_us(window_start) // {{ width_us }} in (first_us // {{ width_us }}, last_us // {{ width_us }})
)

select exchange, symbol, us
from edged
group by all
having count(*) filter (state in ('dark', 'partial') and not is_edge) = 0
