-- Trades of one symbol, from a day up to and without another: opens only the files of those days.
create or replace macro ticks(for_symbol, from_day, to_day) as table
    select *
    from trades
    where symbol = for_symbol and day >= from_day::date and day < to_day::date
