-- The last quote of one second of a symbol, by update id.
-- grain: exchange, symbol, second
with last_quotes as (
    select
        exchange,
        symbol,
        second_of(ts_event) as second,
        arg_max(struct_pack(us := epoch_us(ts_event), bid := bid, ask := ask), update_id) as quote
    from quotes
    group by all
)

select
    exchange,
    symbol,
    second,
    quote.us as quoted_us,
    quote.bid as bid,
    quote.ask as ask
from last_quotes
