-- A range of trade ids that the exchange itself lacks, as repairs found it; overlapping ranges are one.
-- grain: first_id
with steps as (
    select
        *,
        max(last_id) over (
            order by first_id, last_id rows between unbounded preceding and 1 preceding
        ) as reached
    from noted_absent
),

islands as (
    select
        *,
        count(*) filter (first_id > reached + 1) over (
            order by first_id, last_id rows unbounded preceding
        ) as island
    from steps
)

select min(first_id) as first_id, max(last_id) as last_id
from islands
group by island
