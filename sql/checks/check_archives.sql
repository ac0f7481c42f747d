-- Sealed files have the bytes and rows that were sealed.
-- checks: select format('{:,} sealed files, {:,} of them hashed', count(*), (select count(sha256) from sealed_now)) from archive having count(*) > 0 or exists (from packs)
-- absent: Nothing is sealed; `lake compact` seals the days that are over
-- Sizes and rows of all files; hashes of the last two sealed days, with --deep of all and of every part of packed raw.
with compared as (
    select
        archive.*,
        sealed_now.bytes as bytes_now,
        sealed_now.sha256 as sha256_now,
        footers.rows as rows_now
    from archive
    left join sealed_now using (file)
    left join footers on footers.file = sealed_now.path
)

select
    'FAIL' as verdict,
    concat_ws(' ', symbol, day) as place,
    case
        when bytes_now is null then format('{}: the sealed file is gone', relation)
        when bytes_now <> bytes then format('{}: {:,} bytes, sealed with {:,}', relation, bytes_now, bytes)
        when sha256_now <> sha256 then format('{}: another sha256 than it was sealed with', relation)
        else format('{}: {} rows, sealed with {:,}', relation, shown(rows_now), rows)
    end as detail,
    concat(
        'put it back from a copy; without one, ',
        if(bytes_now is null, '', 'move it away and '),
        -- trades and quotes are the source of a sealed day: only its packed raw gives them back
        if(
            relation in ('trades', 'quotes'),
            format('run `lake build --from-raw --symbols {} --date {}`, then `lake compact`', symbol, day),
            'run `lake compact`'
        )
    ) as advice
from compared
where (bytes_now = bytes and rows_now = rows and coalesce(sha256_now, sha256) = sha256) is not true
union all
select
    'WARN',
    coalesce(sums.file, archive.file),
    'SHA256SUMS and relation archive do not say the same of it',
    'run `lake compact`, which writes SHA256SUMS anew'
from archive
full join sums using (file)
where sums.sha256 is distinct from archive.sha256
union all
select 'FAIL', null, flaw, 'put the file back from a copy'
from packs
where flaw is not null
