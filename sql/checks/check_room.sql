-- The disk has room.
-- checks: select format('{} free', formatReadableDecimalSize(free_bytes)) from disk
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
        '{} are free, and a day takes {}: room for {:.1f} days',
        formatReadableDecimalSize(free_bytes), formatReadableDecimalSize(bytes_a_day::bigint), free_bytes / bytes_a_day
    ) as detail,
    'make room: `lake prune` removes packed raw of sealed days' as advice
from pace
where free_bytes < bytes_a_day * {{ check.min_free_days }}
