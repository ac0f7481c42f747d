-- The trades of one second of a symbol, in exact decimals; open and close by trade id, never by time alone.
-- grain: exchange, symbol, second
select
    exchange,
    symbol,
    second_of(ts_event) as second,
    arg_min(price, trade_id) as open,
    max(price) as high,
    min(price) as low,
    arg_max(price, trade_id) as close,
    sum(qty) as volume_base,
    sum(price * qty) as volume_quote,
    count(*) as trade_count,
    vwap(price * qty, qty) as vwap,
    coalesce(sum(qty) filter (side = 'buy'), 0) as taker_buy_base,
    coalesce(sum(price * qty) filter (side = 'buy'), 0) as taker_buy_quote,
    min(trade_id) as first_trade_id,
    max(trade_id) as last_trade_id
from trades
group by all
