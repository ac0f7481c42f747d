-- A moment as people write it, in UTC, to the second.
create or replace macro utc_text(moment) as strftime(timezone('UTC', moment), '%Y-%m-%d %H:%M:%S')
