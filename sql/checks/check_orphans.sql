-- Every file in the data folder has its place.
-- checks: select format('{} in all', formatReadableDecimalSize(lake_bytes)) from disk
select
    'WARN' as verdict,
    file as place,
    'no relation, raw part or log, so nothing reads it' as detail,
    'move it elsewhere, or delete it' as advice
from orphans
