-- The stream was never off.
-- severity: major
-- checks: select count(*) from covers
-- absent: no recorded streams
-- breaks: update covers set start_at = start_at + interval 10 seconds
-- From the first to the last message of the symbol in the range. Lakes without sessions know only of silence: there
-- 60 seconds without a message end a cover.
with steps as (
    select
        exchange,
        symbol,
        start_at,
        max(end_at) over (
            partition by exchange, symbol order by start_at rows between unbounded preceding and 1 preceding
        ) as ended_at
    from covers
),

outages as (
    select exchange, symbol, ended_at, start_at, epoch_us(start_at) - epoch_us(ended_at) as length_us
    from steps
    where epoch_us(start_at) - epoch_us(ended_at) > {{ rules.max_outage_seconds }} * 1000000
        and epoch_us(start_at) > {{ from_us }}
        and epoch_us(ended_at) < {{ to_us }}
),

unknown as (
    select exchange, symbol, window_start, bid is null as is_unquoted, state in ('dark', 'partial') as is_incomplete
    from bars_1s
    where bid is null or state in ('dark', 'partial')
)

select
    outages.exchange,
    outages.symbol,
    outages.ended_at as window_start,
    format(
        'off for {:.1f} s until {} UTC; it cost {} seconds of trades and {} of quotes',
        length_us / 1000000, utc_text(start_at), count(*) filter (is_incomplete), count(*) filter (is_unquoted)
    ) as detail
from outages
left join unknown
    on unknown.exchange = outages.exchange
    and unknown.symbol = outages.symbol
    and epoch_us(unknown.window_start) > epoch_us(outages.ended_at) - 1000000
    and unknown.window_start < outages.start_at
group by outages.exchange, outages.symbol, ended_at, start_at, length_us
union all
select
    exchange,
    null,
    connected_at,
    format('the connection dropped {} messages that it could not write in time', dropped_messages)
from sessions
where dropped_messages > 0
    and epoch_us(connected_at) < {{ to_us }}
    and epoch_us(coalesce(ended_at, connected_at)) >= {{ from_us }}
