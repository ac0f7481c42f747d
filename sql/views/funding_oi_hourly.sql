-- The start of an hour of a perpetual future: the funding rate in force, and the open interest measured last before it.
-- grain: exchange, symbol, window_start
-- The newest funding at or before the hour; the newest open interest of the hour that ends there, null where there is none.
-- The exchange stamps some fundings milliseconds after the hour; they count from its start on.
with rates as (
    select exchange, symbol, utc_time(epoch_us(funding_time) // 60000000 * 60000000) as funding_time, funding_rate
    from funding
    where rate_type = 'Regular'
),

moments as (
    select exchange, symbol, funding_time as moment
    from rates
    union all
    select exchange, symbol, measured_at
    from open_interest
),

spans as (
    select
        exchange,
        symbol,
        -(-epoch_us(min(moment)) // 3600000000) as first_hour,
        epoch_us(max(moment)) // 3600000000 as last_hour
    from moments
    group by all
),

hours as (
    select exchange, symbol, utc_time(unnest(range(first_hour, last_hour + 1)) * 3600000000) as window_start
    from spans
)

select
    hours.exchange,
    hours.symbol,
    utc_day(epoch_us(hours.window_start)) as day,
    hours.window_start,
    rates.funding_rate, -- NULL: before the first one that is known
    -- NULL: not measured in the hour that ends there
    case when measured.measured_at > hours.window_start - interval 1 hour then measured.open_interest end as open_interest,
    -- NULL: not measured in the hour that ends there
    case when measured.measured_at > hours.window_start - interval 1 hour then measured.oi_usd end as oi_usd
from hours
asof left join rates
    on rates.exchange = hours.exchange
    and rates.symbol = hours.symbol
    and rates.funding_time <= hours.window_start
asof left join open_interest as measured
    on measured.exchange = hours.exchange
    and measured.symbol = hours.symbol
    and measured.measured_at <= hours.window_start
