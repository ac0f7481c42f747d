-- The newest receive time of a connection in one hour of receipt, never past the end of its folder's day.
-- grain: conn
-- So one line with a time far ahead moves the lake's idea of now by hours at most, and closes no day.
select
    conn,
    least(max(last_recv_us), epoch_us(date '{{ day }}' + interval '1 day')) as recv_us
from received
group by conn
