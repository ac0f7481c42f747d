-- One second of a symbol: what traded in it, the best quote at its end, and what is known of it (`state`).
-- grain: exchange, symbol, window_start
-- file: parquet/{exchange}/{symbol}/{day}
-- traded; quiet (no trade, the ids around are consecutive); partial (trades, but an id hole touches the second);
-- dark (no trade known and an id hole spans it: no price is invented).
with grid as (
    select unnest(range(min(from_second), max(to_second) + 1)) as second
    from bar_hours
),

before as (
    select
        arg_min(close_before, hour)::decimal(18, 8) as close,
        arg_min(struct_pack(us := quote_us, bid := quote_bid, ask := quote_ask), hour) as quote
    from bar_hours
),

quoted as (
    select second, quoted_us, bid, ask
    from quote_bars_1s
    union all
    select quote.us // 1000000, quote.us, quote.bid::decimal(18, 8), quote.ask::decimal(18, 8)
    from before
    where quote.us is not null
),

touched as (
    select from_second, max(max(to_second)) over (order by from_second) as to_second
    from holes
    where missing is null or missing > 0
    group by from_second
),

joined as (
    select
        grid.second,
        traded.* exclude (exchange, symbol, second),
        coalesce(touched.to_second >= grid.second, false) as is_touched,
        quoted.second as quoted_second,
        quoted.quoted_us,
        quoted.bid,
        quoted.ask
    from grid
    left join trade_bars_1s as traded using (second)
    asof left join touched on grid.second >= touched.from_second
    asof left join quoted on grid.second >= quoted.second
),

-- a quote counts in its own second, and after it while one cover goes on to the second's end
covered as (
    select
        joined.*,
        coalesce(
            joined.quoted_second = joined.second
            or merged_covers.end_us >= (joined.second + 1) * 1000000,
            false
        ) as is_quoted
    from joined
    asof left join merged_covers on joined.quoted_us >= merged_covers.start_us
),

stated as (
    select
        covered.*,
        coalesce(last_value(covered.close ignore nulls) over (order by second), before.close) as last_close,
        case
            when trade_count > 0 then if(is_touched, 'partial', 'traded')
            else if(is_touched, 'dark', 'quiet')
        end as state
    from covered, before
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
    if(is_known, coalesce(open, last_close), null)::double as open,
    if(is_known, coalesce(high, last_close), null)::double as high,
    if(is_known, coalesce(low, last_close), null)::double as low,
    if(is_known, last_close, null)::double as close,
    if(is_known, coalesce(volume_base, 0), null)::double as volume_base,
    if(is_known, coalesce(volume_quote, 0), null)::double as volume_quote,
    if(is_known, coalesce(trade_count, 0), null)::bigint as trade_count,
    if(is_known, if(trade_count > 0, vwap, last_close::double), null) as vwap,
    if(is_quoted, bid, null)::double as bid,
    if(is_quoted, ask, null)::double as ask,
    if(is_quoted, ask - bid, null)::double as spread,
    if(is_known, coalesce(taker_buy_base, 0), null)::double as taker_buy_base,
    if(is_known, coalesce(taker_buy_quote, 0), null)::double as taker_buy_quote,
    first_trade_id,
    last_trade_id,
    state
from known
