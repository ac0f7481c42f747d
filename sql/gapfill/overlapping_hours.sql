-- An hour in which two files hold the same range of ids, so that its notes cannot simply be added up.
-- grain: stream, hour
with noted as (
    select 'trades' as stream, hour, first_id, last_id from noted_trade_hours
    union all
    select 'quotes', hour, first_id, last_id from noted_quote_hours
),

steps as (
    select
        stream,
        hour,
        first_id <= max(last_id) over (
            partition by stream, hour
            order by first_id, last_id
            rows between unbounded preceding and 1 preceding
        ) as is_overlap
    from noted
)

select distinct stream, hour
from steps
where is_overlap
