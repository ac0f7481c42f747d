-- Worked queries on a lake. Paste them one by one into `duckdb -readonly lake.db`, `lake shell`, or
-- con.sql("…") of lake.connect(); they run as they stand on the lake that `lake demo` makes.
--
-- Three habits that all of them keep:
--   Filter on symbol and day. Both come from the names of the files, so only the files of that day
--   are opened; a filter on window_start alone opens every file that there is.
--   Know what is known. `state` is traded, quiet (proven that nobody traded), partial or dark (trade
--   ids are missing). A dark second has no price and no volume (null), and nothing is put in its place.
--   Times are moments in UTC. For the hour of the day write window_start at time zone 'UTC'; a bare
--   hour(window_start) tells the hour of your own time zone.

-- ## Which days are complete?
-- One row: a UTC day of a symbol, and how many of its trades are missing.
-- Right because trade ids are contiguous: `missing` counts the ids between the first and the last one
-- that are not here. `not recorded` days have a row, too; absent_upstream are ids that the exchange lacks.
select symbol, day, count, missing, repaired, absent_upstream, verdict
from tape
where day between date '2025-10-20' - 30 and date '2025-10-20'
order by symbol, day;

-- ## When were trades missing?
-- One row: a run of seconds that are partial or dark, one after the other.
-- Right because the grid of seconds has no hole: the second less its number in the order of unknown
-- seconds stays the same as long as they follow each other.
with unknown as (
    select
        symbol,
        window_start,
        state,
        epoch_us(window_start) // 1000000
            - row_number() over (partition by symbol order by window_start) as run
    from bars_1s
    where symbol in ('SOLUSDT', 'BTCUSDT') and day = '2025-10-20' and state in ('partial', 'dark')
)

select
    symbol,
    min(window_start) as from_second,
    max(window_start) as to_second,
    count(*) filter (state = 'dark') as dark_seconds,
    count(*) filter (state = 'partial') as partial_seconds
from unknown
group by symbol, run
order by symbol, from_second;

-- ## How long was there no quote?
-- One row: a run of seconds without a best bid and ask, within the day's first and last bar.
-- Right because a quote is carried forward only while the stream was on; for quotes that is all that can
-- be known, as they bear no ids without holes.
with unquoted as (
    select
        symbol,
        window_start,
        epoch_us(window_start) // 1000000
            - row_number() over (partition by symbol order by window_start) as run
    from bars_1s
    where symbol = 'SOLUSDT' and day = '2025-10-20' and bid is null
)

select symbol, min(window_start) as from_second, count(*) as seconds
from unquoted
group by symbol, run
order by seconds desc, from_second;

-- ## What was the VWAP of each hour?
-- One row: an hour of a symbol.
-- Right because it is the sum of price × quantity by the sum of quantities, of all trades of the hour that
-- are known, never a mean of finer VWAPs; unknown_seconds says of how many seconds some are not.
select
    symbol,
    window_start,
    vwap,
    volume_base,
    trade_count,
    partial_seconds + dark_seconds as unknown_seconds
from bars_1h
where symbol in ('SOLUSDT', 'BTCUSDT') and day = '2025-10-20'
order by symbol, window_start;

-- ## What was the VWAP between two moments?
-- One row: the stretch, here five minutes.
-- Right because the macro vwap() divides sums. bars(symbol, from day, to day) opens the files of these days
-- only, the last day exclusive, so that the filter on window_start costs nothing more.
select
    vwap(volume_quote, volume_base) as vwap,
    sum(volume_base) as volume_base,
    count(*) filter (state in ('partial', 'dark')) as unknown_seconds
from bars('SOLUSDT', '2025-10-20', '2025-10-21')
where window_start >= timestamptz '2025-10-20 14:58:00+00' and window_start < timestamptz '2025-10-20 15:03:00+00';

-- ## How volatile was it, by closes of minutes?
-- One row: a day of a symbol; realised volatility of the day's known minutes, and a year's at that pace.
-- Right because a return counts only between two minutes that follow each other and are known as a whole:
-- over a dark stretch there is none, rather than one large or some made-up ones.
with closes as (
    select
        symbol,
        day,
        ln(close / lag(close) over minutes) as log_return,
        window_start - lag(window_start) over minutes as step
    from bars_1m
    where symbol in ('SOLUSDT', 'BTCUSDT') and day = '2025-10-20' and partial_seconds + dark_seconds = 0
    window minutes as (partition by symbol order by window_start)
)

select
    symbol,
    day,
    count(*) as returns,
    sqrt(sum(log_return * log_return)) as realised,
    sqrt(avg(log_return * log_return) * 60 * 24 * 365) as a_year
from closes
where step = interval 1 minute
group by symbol, day
order by symbol;

-- ## How wide was the spread, by hour?
-- One row: an hour of a symbol; the median, 90 % and 99 % of the spread at the ends of seconds, in basis points.
-- Right because seconds without a quote are left out and counted, not filled.
select
    symbol,
    hour(window_start at time zone 'UTC') as hour_utc,
    count(bid) as quoted_seconds,
    count(*) - count(bid) as unquoted_seconds,
    quantile_cont(spread / ((bid + ask) / 2) * 10000, 0.5) as median_bps,
    quantile_cont(spread / ((bid + ask) / 2) * 10000, 0.9) as p90_bps,
    quantile_cont(spread / ((bid + ask) / 2) * 10000, 0.99) as p99_bps
from bars_1s
where symbol in ('SOLUSDT', 'BTCUSDT') and day = '2025-10-20'
group by symbol, hour_utc
order by symbol, hour_utc;

-- ## What was the time-weighted spread?
-- One row: a day of a symbol, from every quote of it.
-- Right because a quote counts for as long as it stood: until the next one, or the end of the stretch in
-- which the stream was on (`covers`), whichever came first. Nothing is said of the time between stretches.
with standing as (
    select
        symbol,
        bid,
        ask,
        ts_event,
        lead(ts_event) over (partition by symbol order by ts_event, update_id) as next_at
    from quotes
    where symbol = 'SOLUSDT' and day = '2025-10-20'
),

weighted as (
    select
        standing.symbol,
        standing.ask - standing.bid as spread,
        epoch_us(least(coalesce(standing.next_at, covers.end_at), covers.end_at))
            - epoch_us(standing.ts_event) as microseconds
    from standing
    inner join covers
        on covers.symbol = standing.symbol and standing.ts_event between covers.start_at and covers.end_at
    where covers.symbol = 'SOLUSDT' and covers.day = '2025-10-20'
)

select
    symbol,
    sum(spread::double * microseconds) / sum(microseconds) as spread,
    sum(microseconds) / 1e6 as seconds
from weighted
group by symbol;

-- ## Who was in a hurry, buyers or sellers?
-- One row: a minute; +1 when takers only bought, -1 when they only sold.
-- Right because the side is the taker's. A minute with unknown seconds is left out: what is missing may
-- be the other side; where nobody traded there is no imbalance (null).
select
    symbol,
    window_start,
    volume_base,
    (2 * taker_buy_base - volume_base) / nullif(volume_base, 0) as imbalance
from bars_1m
where symbol = 'SOLUSDT' and day = '2025-10-20' and partial_seconds + dark_seconds = 0
order by window_start;

-- ## Which were the largest trades?
-- One row: a trade, with its share of what traded in its minute.
-- Right because price × quantity is computed in decimals; a share of a minute with missing trades is an upper
-- bound, as is_known_minute = false says.
select
    trades.trade_id,
    trades.ts_event,
    trades.side,
    trades.price,
    trades.qty,
    trades.price * trades.qty as quote_amount,
    (trades.price * trades.qty)::double / bars_1m.volume_quote as share_of_minute,
    bars_1m.partial_seconds + bars_1m.dark_seconds = 0 as is_known_minute
from trades
inner join bars_1m
    on bars_1m.symbol = trades.symbol
    and bars_1m.day = trades.day
    and bars_1m.window_start = time_bucket(interval 1 minute, trades.ts_event)
where trades.symbol = 'SOLUSDT' and trades.day = '2025-10-20'
order by quote_amount desc, trades.trade_id
limit 10;

-- ## What did takers pay, against the middle of the quote before?
-- One row: a side of a symbol; the effective spread, 2 × |price - mid| / mid, in basis points by volume.
-- Right because the quote is the last one before the trade, on the same clock, and trade and quote lie in one
-- stretch in which the stream was on. A quote of before a lost connection says nothing of a trade after it.
with covered as (
    select trades.symbol, trades.ts_event, trades.side, trades.price, trades.qty, covers.start_at
    from trades
    asof inner join covers on covers.symbol = trades.symbol and covers.start_at <= trades.ts_event
    where trades.symbol in ('SOLUSDT', 'BTCUSDT')
        and trades.day = '2025-10-20'
        and covers.day = '2025-10-20'
        and trades.ts_event <= covers.end_at
),

matched as (
    select
        covered.symbol,
        covered.side,
        covered.qty,
        covered.price::double as price,
        (quotes.bid + quotes.ask)::double / 2 as mid
    from covered
    asof inner join quotes on quotes.symbol = covered.symbol and quotes.ts_event < covered.ts_event
    where quotes.day = '2025-10-20' and quotes.ts_event >= covered.start_at
)

select
    symbol,
    side,
    count(*) as trades,
    sum(qty * 2 * abs(price - mid) / mid) / sum(qty) * 10000 as effective_bps
from matched
group by symbol, side
order by symbol, side;

-- ## Bars of another width: 5 seconds
-- One row: five seconds of a symbol, from the bars of one second.
-- Right because the bucket is computed from the count of microseconds, the same in every time zone; open,
-- high and low come from seconds with trades (a quiet second repeats the close before it), VWAP from
-- sums, and unknown_seconds says what the bar may lack.
select
    symbol,
    utc_time(epoch_us(window_start) // 5000000 * 5000000) as bucket_start,
    arg_min(open, window_start) filter (trade_count > 0) as open,
    max(high) filter (trade_count > 0) as high,
    min(low) filter (trade_count > 0) as low,
    arg_max(close, window_start) as close,
    sum(volume_base) as volume_base,
    vwap(volume_quote, volume_base) as vwap,
    sum(trade_count) as trade_count,
    count(*) filter (state in ('partial', 'dark')) as unknown_seconds
from bars_1s
where symbol = 'SOLUSDT' and day = '2025-10-20'
group by symbol, bucket_start
order by bucket_start;

-- ## Do our bars equal the exchange's own klines?
-- One row: a day of a symbol and a verdict, with the number of minutes.
-- Right because nine fields are compared exactly; `incomplete` are minutes of which trades are missing here.
-- Needs klines: `lake backfill`.
select symbol, day, verdict, count(*) as minutes, string_agg(distinct differing, ' or ' order by differing) as differing
from compare_our_vs_kline_1m
where symbol in ('SOLUSDT', 'BTCUSDT') and day = '2025-10-20'
group by symbol, day, verdict
order by symbol, verdict;

-- ## How do two symbols move together?
-- One row: the day; correlation and beta of the returns of their minutes.
-- Right because both returns are of the same minute, and each of a minute that follows a known minute.
with returns as (
    select
        symbol,
        window_start,
        ln(close / lag(close) over minutes) as log_return,
        window_start - lag(window_start) over minutes as step
    from bars_1m
    where symbol in ('SOLUSDT', 'BTCUSDT') and day = '2025-10-20' and partial_seconds + dark_seconds = 0
    window minutes as (partition by symbol order by window_start)
)

select
    count(*) as minutes,
    corr(ours.log_return, others.log_return) as correlation,
    regr_slope(ours.log_return, others.log_return) as beta
from returns as ours
inner join returns as others on others.window_start = ours.window_start
where ours.symbol = 'SOLUSDT'
    and others.symbol = 'BTCUSDT'
    and ours.step = interval 1 minute
    and others.step = interval 1 minute;

-- ## Crypto, stocks and the dollar on one grid of minutes
-- One row: a minute of the symbol, with SPY and the synthetic dollar index where they traded, else null.
-- Right because it joins on the same minute and carries nothing forward: a closed market has no price.
-- `source` says whether the crypto minute is ours or the official kline. Needs `lake macro`.
with spy as (
    select window_start, close
    from macro_minute
    where ticker = 'SPY' and day = '2025-10-20'
)

select
    crypto.window_start,
    crypto.close as crypto,
    crypto.source,
    spy.close as spy,
    dollar.dxy_synthetic
from bars_1m_filled as crypto
left join spy on spy.window_start = crypto.window_start
left join dxy_synthetic_minute as dollar
    on dollar.day = crypto.day and dollar.window_start = crypto.window_start
where crypto.symbol = 'SOLUSDT' and crypto.day = '2025-10-20'
order by crypto.window_start;

-- ## Where did SPY stand when the minute began?
-- One row: a minute of the symbol, with the last close of SPY before it and how old that is.
-- Right because an ASOF join takes what was known at that moment: a SPY minute ends one minute after its start,
-- so only minutes that were over count. The age tells a closed market; filter on it. Needs `lake macro`.
with spy as (
    select window_start + interval 1 minute as known_at, close
    from macro_minute
    where ticker = 'SPY' and day between date '2025-10-20' - 4 and date '2025-10-20'
)

select
    crypto.window_start,
    crypto.open as crypto,
    spy.close as spy,
    epoch_us(crypto.window_start - spy.known_at) // 60000000 as minutes_old
from bars_1m_filled as crypto
asof inner join spy on spy.known_at <= crypto.window_start
where crypto.symbol = 'SOLUSDT' and crypto.day = '2025-10-20'
order by crypto.window_start;

-- ## Funding and open interest against the price
-- One row: the start of an hour of the symbol: the rate in force, the open interest then, the hour's price.
-- Right because funding_oi_hourly holds what was known at the start of the hour, and `open` is the price then,
-- without a look ahead. The change is that of the hour that follows. Needs `lake derivatives`.
select
    price.symbol,
    price.window_start,
    futures.funding_rate * 10000 as funding_bps,
    futures.oi_usd,
    price.open,
    (price.close / price.open - 1) * 10000 as change_bps,
    price.partial_seconds + price.dark_seconds as unknown_seconds
from bars_1h as price
left join funding_oi_hourly as futures
    on futures.exchange = 'binance_futures'
    and futures.symbol = price.symbol
    and futures.window_start = price.window_start
where price.symbol = 'SOLUSDT' and price.day = '2025-10-20'
order by price.window_start;

-- ## How late did trades arrive?
-- One row: a symbol; milliseconds from the trade to its receipt, by this machine's clock.
-- Right for trades that came by the stream alone: what was fetched later (`source` = rest) did not travel.
-- Below zero means that this machine's clock was slow; `sessions` has its offset.
select
    symbol,
    count(*) as trades,
    quantile_cont(epoch_us(ts_recv) - epoch_us(ts_event), 0.5) / 1000 as median_ms,
    quantile_cont(epoch_us(ts_recv) - epoch_us(ts_event), 0.99) / 1000 as p99_ms,
    max(epoch_us(ts_recv) - epoch_us(ts_event)) / 1000 as most_ms
from trades
where symbol in ('SOLUSDT', 'BTCUSDT') and day = '2025-10-20' and source = 'ws'
group by symbol
order by symbol;

-- ## Take it away as a file
-- One row: that of the query; the answer says how many were written into the current folder.
-- Right because COPY writes what it reads, in this order. For a file with a manifest that proves what is in
-- it, and refuses what is not complete, use `lake slice`.
copy (
    select symbol, window_start, open, high, low, close, volume_base, vwap, state
    from bars_1m
    where symbol = 'SOLUSDT' and day = '2025-10-20'
    order by window_start
) to 'solusdt_minutes.parquet' (format parquet, compression zstd);
