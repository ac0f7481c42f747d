-- Every raw line could be read.
-- checks: select format('{:,} rows of raw that are built', sum(rows)::bigint) from published_files where relation in ('trades', 'quotes', 'klines', 'macro', 'funding', 'open_interest') having sum(rows) > 0
-- absent: There are no rows yet
-- What cannot be read may have been a quote, of which no id tells that it is missing.
select
    'WARN' as verdict,
    concat_ws(' ', symbol, day) as place,
    format('{:,} unreadable lines: {}', count(*), mode(reason)) as detail,
    format('see `lake sql "from rejects where symbol = ''{}''"`', symbol) as advice
from rejects
group by symbol, day
order by symbol, day
