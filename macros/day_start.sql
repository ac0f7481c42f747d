-- The moment at which a UTC day begins.
create or replace macro day_start(day) as timezone('UTC', day::timestamp)
