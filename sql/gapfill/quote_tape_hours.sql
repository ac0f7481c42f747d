-- One hour of the symbol's quotes over all files that hold some: what the plan compares.
-- grain: hour
with noted as (
    select
        hour,
        min(first_id) as first_id,
        max(last_id) as last_id,
        sum(quotes)::bigint as quotes,
        arg_max(struct_pack(us := last_us, bid := last_bid, ask := last_ask), (last_us // 1000000, last_id)) as last_quote,
        sum(bid_hash) as bid_hash,
        sum(bid_qty_hash) as bid_qty_hash,
        sum(ask_hash) as ask_hash,
        sum(ask_qty_hash) as ask_qty_hash,
        sum(ts_event_hash) as ts_event_hash,
        sum(ts_recv_hash) as ts_recv_hash
    from noted_quote_hours
    group by all
)

select
    noted.hour,
    noted.first_id,
    noted.last_id,
    coalesce(exact.quotes, noted.quotes) as quotes,
    coalesce(exact.last_us, noted.last_quote.us) as last_us,
    coalesce(exact.last_bid, noted.last_quote.bid) as last_bid,
    coalesce(exact.last_ask, noted.last_quote.ask) as last_ask,
    coalesce(exact.bid_hash, noted.bid_hash)::varchar as bid_hash,
    coalesce(exact.bid_qty_hash, noted.bid_qty_hash)::varchar as bid_qty_hash,
    coalesce(exact.ask_hash, noted.ask_hash)::varchar as ask_hash,
    coalesce(exact.ask_qty_hash, noted.ask_qty_hash)::varchar as ask_qty_hash,
    coalesce(exact.ts_event_hash, noted.ts_event_hash)::varchar as ts_event_hash,
    coalesce(exact.ts_recv_hash, noted.ts_recv_hash)::varchar as ts_recv_hash
from noted
left join exact_quote_hours as exact using (hour)
where exact.hour is not null
    or noted.hour not in (select hour from overlapping_hours where stream = 'quotes')
