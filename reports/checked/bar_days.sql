-- A day of a symbol's bars as its file has it: how many, how many seconds of the day they are of, and their trades.
-- grain: exchange, symbol, day
-- One bit a second: exact whatever the order of the rows, and no sort.
with placed as (
    select
        exchange,
        symbol,
        day,
        epoch_us(window_start) - epoch_us(day_start(day)) as us,
        trade_count,
        state
    from bars_1s
),

seconds as (
    select
        * exclude (us),
        if(us % 1000000 = 0 and us between 0 and 86399000000, (us // 1000000)::integer, null) as second
    from placed
)

select
    exchange,
    symbol,
    day,
    count(*) as bars,
    count(second) as placed_bars,
    coalesce(bit_count(bitstring_agg(second, 0, 86399)), 0)::integer as seconds,
    min(second) as first_second,
    max(second) as last_second,
    count(*) filter (state = 'dark') as dark,
    sum(trade_count)::bigint as trades
from seconds
group by all
