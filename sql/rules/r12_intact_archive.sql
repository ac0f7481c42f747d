-- Sealed files are intact.
-- severity: critical
-- checks: select count(*) from archive
-- absent: nothing is sealed
-- breaks: update hashed_files set sha256 = repeat('0', 64)
-- Each file has the bytes and the rows that it had when its day was sealed.
select
    archive.exchange,
    archive.symbol,
    day_start(archive.day) as window_start,
    case
        when hashed_files.sha256 is null then format('{}: the sealed file is gone', archive.relation)
        when hashed_files.sha256 <> archive.sha256
            then format('{}: sha256 {}, sealed with {}', archive.relation, hashed_files.sha256, archive.sha256)
        else format('{}: {} rows, sealed with {}', archive.relation, shown(hashed_files.rows), shown(archive.rows))
    end as detail
from archive
left join hashed_files
    on hashed_files.relation = archive.relation
    and hashed_files.exchange = archive.exchange
    and hashed_files.symbol = archive.symbol
    and hashed_files.day = archive.day
where (hashed_files.sha256 = archive.sha256 and hashed_files.rows = archive.rows) is not true
