-- How many trades of today are known to be missing.
select coalesce(sum(missing), 0)::bigint as missing_today
from tape
where day = date '{{ today }}'
