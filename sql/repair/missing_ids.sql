-- A range of trade ids that nobody has and the exchange may have, with the known trades around its hole.
-- grain: first_id
-- What the exchange is known to lack is left out, so one hole may be several ranges.
with walls as (
    select after_id, before_id as first_id, before_id as last_id
    from holes
    where missing > 0
    union all
    select holes.after_id, absent_ids.first_id, absent_ids.last_id
    from holes
    inner join absent_ids
        on absent_ids.first_id < holes.after_id and absent_ids.last_id > holes.before_id
    where holes.missing > 0
),

pieces as (
    select
        after_id,
        last_id + 1 as first_id,
        coalesce(lead(first_id) over (partition by after_id order by first_id, last_id), after_id) - 1 as last_id
    from walls
)

select
    '{{ symbol }}' as symbol,
    pieces.first_id,
    pieces.last_id,
    holes.before_id,
    holes.after_id,
    holes.from_second * 1000000 as from_us,
    (holes.to_second + 1) * 1000000 as to_us,
    holes.missing > {{ repair.max_ids_per_hole }} as is_large
from pieces
inner join holes using (after_id)
where pieces.last_id >= pieces.first_id
