-- What the lake has of today, the UTC day of its source: sealed raw files of symbols, and bars.
with raw_parts as (
    select parse_path(file, 'both_slash') as steps
    from glob('{{ raw }}/*/*/{{ today }}/part_*.jsonl')
)

select
    (select count(*) from raw_parts where not starts_with(steps[-3], '_')) as raw_count_today,
    (select count(*) from bars_1s where day = date '{{ today }}') as parquet_1s_rows_today
