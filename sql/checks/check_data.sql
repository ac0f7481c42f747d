-- There are bars.
-- checks: select format('{:,} bars, {} to {}', sum(bars)::bigint, min(day), max(day)) from bar_days
select
    'FAIL' as verdict,
    null as place,
    'there is no bar in this lake' as detail,
    'run `lake build`; where nothing is recorded yet, `lake collect` comes first' as advice
where not exists (from bar_days)
