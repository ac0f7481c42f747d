-- Raw lines that no published file holds, by relation: removing the raw would lose them.
-- grain: relation
-- A quote of an older lake has no id of its own: it got one as staged_quotes gives it. Of an endless line `rejects`
-- holds the first bytes alone.
with numbered as (
    select
        coalesce(
            update_id,
            recv_us + dense_rank() over (partition by update_id, recv_us order by bid, ask) - 1
        ) as update_id
    from lines
    where is_quote
)

select 'trades' as relation, count(*) as lines
from lines
where is_trade and trade_id not in (select trades.trade_id from trades)
union all
select 'quotes', count(*)
from numbered
where update_id not in (select quotes.update_id from quotes)
union all
select
    'rejects as a whole',
    greatest(
        count(*) - (
            select count(*) from rejects where day = date '{{ day }}' and not starts_with(reason, 'longer than ')
        ),
        0
    )
from lines
where not (is_trade or is_quote or is_absent)
