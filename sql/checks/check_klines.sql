-- Each interval between a symbol's first and last official kline has its kline.
-- checks: select format('{:,} klines', count(*)) from klines having count(*) > 0
-- absent: There are no klines; `lake backfill` fetches them
-- The exchange has none for a time in which it stood still.
with steps as (
    select
        exchange,
        symbol,
        interval,
        open_time,
        epoch_us(open_time) as us,
        lag(epoch_us(open_time)) over (partition by exchange, symbol, interval order by open_time) as before_us,
        kline_width_us(interval) as width_us
    from klines
),

holes as (
    select
        exchange,
        symbol,
        interval,
        utc_day(before_us + width_us) as day,
        before_us + width_us as from_us,
        us - before_us as step_us,
        (us - before_us) // width_us - 1 as missing
    from steps
    where us - before_us <> width_us
)

select
    'WARN' as verdict,
    concat_ws(' ', symbol, interval, day) as place,
    format(
        '{:,} klines are missing, the first of {}', sum(missing)::bigint, utc_text(utc_time(min(from_us)))
    ) as detail,
    'fetch that day again with `lake backfill`; the exchange has none of a time in which it stood still' as advice
from holes
group by exchange, symbol, interval, day
order by symbol, interval, day
