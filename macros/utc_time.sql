-- The moment of a count of microseconds since 1970 (UTC).
create or replace macro utc_time(microseconds) as make_timestamptz(microseconds::bigint)
