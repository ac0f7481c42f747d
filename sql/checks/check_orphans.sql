-- Every file in the data folder has its place.
-- checks: select format('{:,.1f} GB in the data folder', lake_bytes / 1e9) from disk
select
    'WARN' as verdict,
    file as place,
    'no relation, raw part or log, so nothing reads it' as detail,
    'move it elsewhere, or delete it' as advice
from orphans
