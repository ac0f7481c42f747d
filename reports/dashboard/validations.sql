-- A validation that was run: its verdict and what it looked at. The newest come first.
select
    run_at,
    verdict,
    array_to_string(list_transform(list_filter(results, lambda one: one.violations > 0), lambda one: one.label), ', ')
        as broken_rules,
    bars,
    tf,
    source,
    "start",
    "end",
    reason
from read_json(
    {{ literal(files) }},
    format = 'auto',
    columns = {
        run_at: 'varchar',
        verdict: 'varchar',
        reason: 'varchar',
        source: 'varchar',
        tf: 'varchar',
        "start": 'varchar',
        "end": 'varchar',
        bars: 'bigint',
        results: 'struct(label varchar, violations bigint)[]'
    },
    ignore_errors = true
)
where verdict is not null
order by run_at desc
