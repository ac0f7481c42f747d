-- The bars that are checked, as a whole: how many, of when, of which symbols.
select
    count(*) as bars,
    strftime(timezone('UTC', min(window_start)), '%Y-%m-%dT%H:%M:%SZ') as first_bar,
    strftime(timezone('UTC', max(window_start)), '%Y-%m-%dT%H:%M:%SZ') as last_bar,
    list(distinct symbol order by symbol) as symbols
from checked_bars
