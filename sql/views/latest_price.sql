-- The newest known price of each symbol, with its second.
-- grain: exchange, symbol
select
    exchange,
    symbol,
    max(window_start) as window_start, -- [UTC] start of the second
    arg_max(close, window_start) as price, -- [quote asset] its close
    arg_max(struct_pack(price := bid), window_start).price as bid,
    arg_max(struct_pack(price := ask), window_start).price as ask,
    arg_max(state, window_start) as state
from {{ newest('bars_1s') }}
where close is not null
group by all
