-- Raw lines that no published file holds, by relation: removing the raw would lose them.
-- grain: relation
-- A quote of an older lake has no id of its own: its receive time stands for it.
select 'trades' as relation, count(*) as lines
from lines
where is_trade and trade_id not in (select trades.trade_id from trades)
union all
select 'quotes', count(*)
from lines
where is_quote and coalesce(update_id, recv_us) not in (select quotes.update_id from quotes)
union all
select 'rejects', greatest(count(*) - (select count(*) from rejects where day = date '{{ day }}'), 0)
from lines
where not (is_trade or is_quote or is_absent)
