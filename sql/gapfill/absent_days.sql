-- A range of trade ids that the exchange itself lacks, with the day that keeps it: that of the known trade before it.
-- grain: first_id
select
    absent_ids.first_id,
    absent_ids.last_id,
    coalesce(noted_runs.last_second, tape_span.first_second) // 86400 as day_number
from absent_ids
cross join tape_span
asof left join noted_runs on absent_ids.first_id > noted_runs.last_id
