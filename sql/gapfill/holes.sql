-- Trade ids that nobody has: between two known trades, or beyond the first and last known one.
-- grain: after_id
-- A hole touches every second from the trade before it to the trade after it, whatever their order in time. Ids that
-- the exchange itself lacks (absent upstream) count as never having existed.
with known as (
    select
        first_id,
        first_second,
        max(last_id) over before as before_id,
        arg_max(last_second, last_id) over before as before_second
    from noted_runs
    window before as (order by first_id, last_id rows between unbounded preceding and 1 preceding)
),

steps as (
    select before_id, first_id as after_id, before_second, first_second as after_second
    from known
    where first_id > before_id + 1
),

counted as (
    select
        steps.before_id,
        steps.after_id,
        steps.before_second,
        steps.after_second,
        -- the filter, because least and greatest skip nulls
        coalesce(sum(
            least(absent_ids.last_id, steps.after_id - 1) - greatest(absent_ids.first_id, steps.before_id + 1) + 1
        ) filter (absent_ids.first_id is not null), 0)::bigint as absent_upstream
    from steps
    left join absent_ids
        on absent_ids.first_id < steps.after_id and absent_ids.last_id > steps.before_id
    group by all
),

ends as (
    select
        min(first_id) as first_id,
        arg_min(first_second, first_id) as first_id_second,
        max(last_id) as last_id,
        arg_max(last_second, last_id) as last_id_second
    from noted_runs
)

select
    before_id,
    after_id,
    after_id - before_id - 1 - absent_upstream as missing,
    absent_upstream,
    before_second,
    least(before_second, after_second) as from_second,
    greatest(before_second, after_second) as to_second
from counted
union all
select null, first_id, null, 0, null, tape_span.first_second, first_id_second
from ends, tape_span
where first_id is not null
union all
select last_id, null, null, 0, last_id_second, last_id_second, tape_span.last_second
from ends, tape_span
where last_id is not null
