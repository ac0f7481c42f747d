-- Files are as declared.
-- severity: critical
-- checks: select count(*) from published_files
-- breaks: update file_columns set type = 'FLOAT' where position = 1
-- The names, types and order of their columns are those of the relation's file without rows, which `lake build` writes.
with flaws as (
    select
        published_files.file,
        case
            when declared.name is null
                then format('{} {} is not declared', file_columns.name, file_columns.type)
            when file_columns.name is null then format('{} {} is not there', declared.name, declared.type)
            else format(
                'column {} is {} {}, declared is {} {}',
                declared.position, file_columns.name, file_columns.type, declared.name, declared.type
            )
        end as flaw,
        coalesce(declared.position, file_columns.position) as position
    from published_files
    inner join declared_columns as declared using (relation)
    full join file_columns
        on file_columns.file = published_files.file and file_columns.position = declared.position
    where file_columns.name is distinct from declared.name
        or file_columns.type is distinct from declared.type
),

told as (
    select file, count(*) as flaws, arg_min(flaw, position) as flaw
    from flaws
    where file is not null
    group by file
)

select
    exchange,
    symbol,
    day_start(day) as window_start,
    case
        when not is_named then format('{}: no file of a day: {}', relation, file)
        when rows is null then format('{}: not readable as Parquet', relation)
        else format('{}: {}; columns that differ: {}', relation, told.flaw, told.flaws)
    end as detail
from published_files
left join told using (file)
where not is_named or rows is null or told.file is not null
