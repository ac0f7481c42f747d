-- Seconds by state: what is known of each second.
pivot bars_1s on state using count(*) group by symbol order by symbol
