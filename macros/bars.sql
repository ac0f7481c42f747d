-- Bars of one second of one symbol, from a day up to and without another: opens only the files of those days.
create or replace macro bars(for_symbol, from_day, to_day) as table
    select *
    from bars_1s
    where symbol = for_symbol and day >= from_day::date and day < to_day::date
