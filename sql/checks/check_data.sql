-- There are bars.
-- checks: select format('{:,} bars, {} to {}', sum(bars)::bigint, min(day), max(day)) from bar_days
select
    'FAIL' as verdict,
    null as place,
    'there is no bar in this lake' as detail,
    'record with `lake collect`, then run `lake build`' as advice
where not exists (from bar_days)
