-- An hour whose ticks share a range of ids with another file, so that its notes cannot simply be added up.
-- grain: stream, hour
-- Of any hour: copies of a quote are moved onto the exchange's clock each by its own connection's offset.
with noted as (
    select 'trades' as stream, part, hour, first_id, last_id from noted_trade_hours
    union all
    select 'quotes', part, hour, first_id, last_id from noted_quote_hours
)

select distinct noted.stream, noted.hour
from noted
inner join noted as other
    on other.stream = noted.stream
    and other.part <> noted.part
    and other.first_id <= noted.last_id
    and other.last_id >= noted.first_id
