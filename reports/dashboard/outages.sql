-- A stretch in which a symbol's stream was off for more than {{ rules.max_outage_seconds }} s.
with steps as (
    select
        symbol,
        start_at,
        max(end_at) over (
            partition by exchange, symbol order by start_at rows between unbounded preceding and 1 preceding
        ) as ended_at
    from covers
    where day between date '{{ from_day }}' - 1 and date '{{ until_day }}' + 1
)

select
    symbol,
    ended_at as off_from,
    start_at as on_again,
    round((epoch_us(start_at) - epoch_us(ended_at)) / 1000000, 1) as seconds_off
from steps
where epoch_us(start_at) - epoch_us(ended_at) > {{ rules.max_outage_seconds }} * 1000000
    and epoch_us(start_at) > {{ from_us }}
    and epoch_us(ended_at) < {{ to_us }}
order by off_from desc, symbol
