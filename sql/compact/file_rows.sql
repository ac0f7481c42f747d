-- What the rows of one file say by themselves: how many there are, in what order, and which keys are there twice.
with steps as (
    select key, lag(key) over (order by place) as key_before
    from sealed_rows
)

select
    count(*) as rows,
    count(*) filter (key = key_before) as duplicates,
    count(*) filter (key < key_before) as misplaced
from steps
