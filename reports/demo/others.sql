-- The newest value of what was fetched beside trades and klines.
select 'macro_minute' as relation, ticker as of, arg_max(close, window_start) as newest
from macro_minute
where ticker in ('SPY', 'EURUSD=X')
group by ticker
union all
select 'dxy_synthetic_minute', 'dollar index', round(arg_max(dxy_synthetic, window_start), 3)
from dxy_synthetic_minute
union all
select 'funding_oi_hourly', 'SOLUSDT funding rate', arg_max(funding_rate, window_start)
from funding_oi_hourly
where symbol = 'SOLUSDT'
union all
select 'funding_oi_hourly', 'SOLUSDT open interest', arg_max(open_interest, window_start)
from funding_oi_hourly
where symbol = 'SOLUSDT'
