-- No row is there twice.
-- checks: select format('{:,} rows of all relations', sum(rows)::bigint) from published_files
-- absent: There are no rows yet
-- Bars second by second; of all other files, as many rows as were written, and trades as certified. With --deep every key.
select
    'FAIL' as verdict,
    concat_ws(' ', symbol, day) as place,
    format('bars_1s: {:,} bars of {:,} seconds', bars, seconds) as detail,
    'move the file away and run `lake build`, which makes it anew' as advice
from bar_days
where placed_bars > seconds
union all
select
    'FAIL',
    concat_ws(' ', symbol, day),
    format('{}: {:,} rows, written with {:,}', relation, published_files.rows, noted_rows.rows),
    'move the file away and run `lake build`, which makes it anew'
from published_files
inner join noted_rows using (file)
where published_files.rows <> noted_rows.rows
union all
select
    'FAIL',
    concat_ws(' ', symbol, day),
    format('trades: {:,} rows, {:,} are certified', sum(published_files.rows)::bigint, tape_days.count),
    'move the file away and run `lake build`, which makes it anew'
from published_files
inner join tape_days using (exchange, symbol, day)
where relation = 'trades' and is_named
group by exchange, symbol, day, tape_days.count
having sum(published_files.rows) > tape_days.count
union all
select
    'FAIL',
    concat_ws(' ', symbol, day),
    format('{}: {} files of one day, such as {}', relation, count(*), min(file)),
    'keep the one whose folder is written as `lake build` writes it'
from published_files
group by relation, exchange, symbol, day, of_interval
having count(*) > 1
{%- if is_deep is defined and is_deep %}
union all
select
    'FAIL',
    concat_ws(' ', symbol, (window_start at time zone 'UTC')::date),
    detail,
    'move the file away and run `lake build`, which makes it anew'
from (
    {% include 'sql/rules/r9_unique_keys.sql' %}
)
{%- endif %}
