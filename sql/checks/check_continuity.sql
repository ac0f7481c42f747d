-- Each second has its bar, and no trade is missing.
-- checks: select format('{:,} days of bars', count(*)) from bar_days having count(*) > 0
-- absent: There are no bars yet
-- Of each symbol, from the second of its first known trade to that of its last one.
with days as (
    select
        *,
        unnest(generate_series(first_day::timestamp, last_day::timestamp, interval '1 day'))::date as day
    from spans
),

trade_files as (
    select exchange, symbol, day, sum(rows)::bigint as rows
    from published_files
    where relation = 'trades' and is_named
    group by all
),

wanted as (
    select
        days.exchange,
        days.symbol,
        days.day,
        days.day = days.last_day as is_last,
        if(days.day = last_day, last_second, 86399) - if(days.day = first_day, first_second, 0) + 1 as wanted_seconds,
        bar_days.* exclude (exchange, symbol, day),
        tape_days.count as traded,
        tape_days.missing,
        tape_days.verdict,
        coalesce(trade_files.rows, 0) as kept
    from days
    left join bar_days using (exchange, symbol, day)
    left join tape_days using (exchange, symbol, day)
    left join trade_files using (exchange, symbol, day)
),

found as (
    select
        *,
        if(bars is null and verdict is null, 'not recorded', null) as gap,
        case
            when bars is null and verdict is not null then 'it has a certificate and no bars'
            when bars is not null and verdict is null then 'it has bars and no certificate'
        end as half,
        if(verdict <> 'complete', format('{:,} trade ids are missing, {:,} seconds are dark', missing, dark), null) as hole,
        if(placed_bars < bars, format('{:,} bars begin at no second of the day', bars - placed_bars), null) as odd,
        wanted_seconds - seconds as barless,
        if(barless > 0, format('{:,} of {:,} seconds have no bar', barless, wanted_seconds), null) as cut,
        if(trades <> traded, format('its bars hold {:,} of {:,} trades', trades, traded), null) as lost,
        if(kept < traded and not is_last, format('its tape holds {:,} of {:,} trades', kept, traded), null) as untaped
    from wanted
)

select
    'FAIL' as verdict,
    concat_ws(' ', symbol, day) as place,
    concat_ws('; ', gap, half, odd, cut, hole, lost, untaped) as detail,
    if(
        coalesce(gap, hole) is null,
        'move the file of bars away and run `lake build`, which makes it anew',
        'run `lake repair`, which fetches missing trades by their ids; leave out what it cannot have'
    ) as advice
from found
where coalesce(gap, half, odd, cut, hole, lost, untaped) is not null
