-- Files have the columns that are declared, and `lake build` has written each of them.
-- checks: select format('{:,} files', count(*)) from published_files having count(*) > 0
-- absent: There are no files yet
with undeclared as (
    {% include 'sql/rules/r10_declared_schema.sql' %}
)

select
    'FAIL' as verdict,
    concat_ws(' ', symbol, (window_start at time zone 'UTC')::date) as place,
    detail,
    'move the file out of the data folder and run `lake build`' as advice
from undeclared
union all
select
    'FAIL',
    concat_ws(' ', symbol, day),
    format('{}: not written by `lake build`: {}', relation, published_files.file),
    'move the file out of the data folder and run `lake build`'
from published_files
anti join noted_rows using (file)
where is_named and rows is not null
