-- Each ticker has its minutes, once, with prices that are ordered and numbers.
-- checks: select format('{:,} minutes of {} tickers', count(*), count(distinct ticker)) from macro_minute having count(*) > 0
-- absent: There are no macro data; `lake macro` fetches them
select
    'WARN' as verdict,
    'config.yml' as place,
    format('{} of its tickers have no minute in the lake: {}', count(*), string_agg(ticker, ', ' order by ticker)) as detail,
    'fetch them, or take them out of macro_minute.tickers' as advice
from wanted_tickers
where ticker not in (select ticker from macro_minute)
having count(*) > 0
union all
select
    'FAIL',
    concat_ws(' ', ticker, utc_text(window_start)),
    format('open {} high {} low {} close {}', open, high, low, close),
    'move the file of that day away and fetch it again'
from macro_minute
where (isfinite(open + high + low + close) and low > 0 and low <= least(open, close) and high >= greatest(open, close))
    is not true
union all
select
    'FAIL',
    concat_ws(' ', ticker, utc_text(window_start)),
    format('is there {} times', count(*)),
    'move the file of that day away and fetch it again'
from macro_minute
group by ticker, window_start
having count(*) > 1
