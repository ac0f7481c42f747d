-- A file that was sealed; whether it is of the last two sealed days.
-- grain: file
select file, dense_rank() over (order by day desc) <= 2 as is_recent
from archive
