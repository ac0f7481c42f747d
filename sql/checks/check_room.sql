-- The disk has room.
-- checks: select format('{:,.1f} GB free', free_bytes / 1e9) from disk
-- At the pace of this lake: its bytes by the days that it has bars of.
with pace as (
    select free_bytes, lake_bytes / greatest(count(distinct day), 1) as bytes_a_day
    from disk
    left join bar_days on true
    group by free_bytes, lake_bytes
)

select
    if(free_bytes < bytes_a_day, 'FAIL', 'WARN') as verdict,
    null as place,
    format(
        '{:,.2f} GB are free, and a day takes {:,.2f} GB: room for {:.1f} days',
        free_bytes / 1e9, bytes_a_day / 1e9, free_bytes / bytes_a_day
    ) as detail,
    'make room: `lake prune` removes packed raw of sealed days' as advice
from pace
where free_bytes < bytes_a_day * {{ check.min_free_days }}
