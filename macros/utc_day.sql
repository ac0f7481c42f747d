-- The UTC day in which a count of microseconds since 1970 lies.
create or replace macro utc_day(microseconds) as
    date '1970-01-01' + (microseconds // 86400000000)::integer
