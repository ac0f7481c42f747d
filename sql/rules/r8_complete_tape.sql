-- No trade is missing.
-- severity: critical
-- checks: select count(*) from asked_days
-- breaks: update tape_days set missing = 7, verdict = 'incomplete'
-- Every id is on the tape, but for those that the exchange itself lacks, and every trade is in the bars.
with counted as (
    select exchange, symbol, day, coalesce(sum(trade_count), 0)::bigint as trades
    from bars_1s
    group by all
),

joined as (
    select
        coalesce(tape_days.exchange, counted.exchange) as exchange,
        coalesce(tape_days.symbol, counted.symbol) as symbol,
        coalesce(tape_days.day, counted.day) as day,
        tape_days.count,
        tape_days.missing,
        tape_days.absent_upstream,
        tape_days.verdict,
        counted.trades
    from tape_days
    full join counted
        on counted.exchange = tape_days.exchange
        and counted.symbol = tape_days.symbol
        and counted.day = tape_days.day
)

select
    exchange,
    symbol,
    day_start(day) as window_start,
    case
        when verdict is null then 'a day of bars without a certificate'
        when trades is null then 'a certificate without bars'
        else concat_ws(
            '; ',
            if(verdict = 'complete', null, format('{}: {} trade ids are missing (run `lake repair`)', verdict, shown(missing))),
            if(absent_upstream > 0, format('{} the exchange itself lacks', absent_upstream), null),
            if(trades = count, null, format('the bars hold {} of {} trades', trades, shown(count)))
        )
    end as detail
from joined
where (verdict = 'complete' and missing = 0 and trades = count) is not true
