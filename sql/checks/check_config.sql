-- Every symbol of the configuration is in the lake.
-- checks: select format('{} symbols', count(*)) from wanted_symbols
select
    'WARN' as verdict,
    'config.yml' as place,
    format('{} of its symbols have no bar in the lake: {}', count(*), string_agg(symbol, ', ' order by symbol)) as detail,
    'record them with `lake collect`, or take them out' as advice
from wanted_symbols
where (exchange, symbol) not in (select (exchange, symbol) from spans)
having count(*) > 0
