-- What a file of answers tells of one day: how many rows, a sum of their hashes, and when the newest was fetched.
-- grain: exchange, day
-- `answered`: the rows of the file, as the staging model of its kind makes them.
select
    exchange,
    day::varchar as day,
    count(*) as rows,
    sum(hash(answered))::varchar as hash,
    max(fetched_us) as until_us
from answered
where flaw is null
group by all
