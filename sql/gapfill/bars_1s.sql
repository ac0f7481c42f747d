-- One second of a symbol: what traded in it, the best quote at its end, and what is known of it (`state`).
-- grain: exchange, symbol, window_start
-- file: parquet/{exchange}/{symbol}/{day}
-- traded; quiet (no trade, the ids around are consecutive); partial (trades, but an id hole touches the second);
-- dark (no trade known and an id hole spans it: no price is invented).
with carried as (
    select arg_min(struct_pack(price := close_before), hour).price::decimal(18, 8) as close
    from bar_hours
),

stated as (
    select
        seconds.*,
        coalesce(last_value(seconds.close ignore nulls) over (order by second), carried.close) as last_close,
        case
            when trade_count > 0 then if(is_touched, 'partial', 'traded')
            else if(is_touched, 'dark', 'quiet')
        end as state
    from seconds, carried
),

known as (
    select *, state <> 'dark' or {{ gapfill.dark == 'previous_close' }} as is_known
    from stated
)

select
    '{{ exchange }}' as exchange,
    '{{ symbol }}' as symbol,
    date '{{ day }}' as day,
    utc_time(second * 1000000) as window_start,
    -- [quote asset] first price, by trade id; where nobody traded, the close before; NULL: dark
    if(is_known, coalesce(open, last_close), null)::double as open,
    -- [quote asset] highest price; where nobody traded, the close before; NULL: dark
    if(is_known, coalesce(high, last_close), null)::double as high,
    -- [quote asset] lowest price; where nobody traded, the close before; NULL: dark
    if(is_known, coalesce(low, last_close), null)::double as low,
    -- [quote asset] last price, by trade id; where nobody traded, the close before; NULL: dark
    if(is_known, last_close, null)::double as close,
    -- [base asset] sum of quantities; NULL: dark
    if(is_known, coalesce(volume_base, 0), null)::double as volume_base,
    -- [quote asset] sum of price × quantity; NULL: dark
    if(is_known, coalesce(volume_quote, 0), null)::double as volume_quote,
    -- [trades] how many; NULL: dark
    if(is_known, coalesce(trade_count, 0), null)::bigint as trade_count,
    -- [quote asset] volume_quote / volume_base; where nobody traded, the close before; NULL: dark
    if(is_known, if(trade_count > 0, vwap, last_close::double), null) as vwap,
    -- [quote asset] best bid at the end of the bar; NULL: no quote, or the stream was off
    if(is_quoted, bid, null)::double as bid,
    -- [quote asset] best ask at the end of the bar; NULL: no quote, or the stream was off
    if(is_quoted, ask, null)::double as ask,
    -- [quote asset] ask - bid; NULL: as bid and ask
    if(is_quoted, ask - bid, null)::double as spread,
    -- [base asset] volume in which the buyer was the taker; NULL: dark
    if(is_known, coalesce(taker_buy_base, 0), null)::double as taker_buy_base,
    -- [quote asset] the same as price × quantity; NULL: dark
    if(is_known, coalesce(taker_buy_quote, 0), null)::double as taker_buy_quote,
    first_trade_id, -- smallest trade id; NULL: no trade is known
    last_trade_id, -- largest trade id; NULL: no trade is known
    state -- what is known of it: traded, quiet, partial or dark
from known
