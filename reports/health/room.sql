-- For how many days like yesterday, or like today if it goes on so, the disk has room.
with files as (
    select replace(filename, '\', '/') as file, size
    from read_blob({{ day_globs }})
),

days as (
    select
        contains(file, '/{{ today }}') or contains(file, '/{{ today_folder }}/') as is_today,
        sum(size) as bytes,
        min(try_cast(regexp_extract(file, '/part_(\d+)', 1) as integer)) - 1 as first_minute
    from files
    group by all
),

paces as (
    select
        is_today,
        bytes / if(is_today, ({{ now_us }} // 60000000 % 1440 - first_minute) / 1440, 1) as bytes_a_day
    from days
    -- of a few minutes nobody can tell a day
    where not is_today or {{ now_us }} // 60000000 % 1440 - first_minute >= 10
)

select {{ free_bytes }} / max(bytes_a_day) as days_left
from paces
