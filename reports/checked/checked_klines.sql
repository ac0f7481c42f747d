-- The official klines in the place of bars, of the timeframe and the range asked for: they know no quotes.
-- grain: exchange, symbol, window_start
select
    exchange,
    symbol,
    day,
    open_time as window_start,
    open::double as open,
    high::double as high,
    low::double as low,
    close::double as close,
    volume::double as volume_base,
    quote_volume::double as volume_quote,
    trades as trade_count,
    if(volume > 0, quote_volume / volume, close)::double as vwap,
    null::double as bid,
    null::double as ask,
    null::double as spread,
    taker_base_vol::double as taker_buy_base,
    taker_quote_vol::double as taker_buy_quote,
    if(trades > 0, 'traded', 'quiet') as state
from klines
where interval = '{{ tf }}'
    and epoch_us(open_time) >= {{ from_us }}
    and epoch_us(open_time) < {{ to_us }}
