-- Spreads are sane.
-- severity: major
-- fails_from: {{ rules.max_wide_spread_share }}
-- checks: select count(*) from checked_bars where bid is not null and ask is not null
-- breaks: update checked_bars set spread = (bid + ask) / 2
-- Never negative, and below rules.max_spread_bps of mid but for rules.max_wide_spread_share of the bars.
with spreads as (
    select exchange, symbol, window_start, bid, ask, spread, spread / (bid + ask) * 20000 as bps
    from checked_bars
    where bid is not null and ask is not null
)

select
    exchange,
    symbol,
    window_start,
    concat_ws(' ', 'spread', shown(spread), 'bid', shown(bid), 'ask', shown(ask), 'bps', shown(round(bps, 2))) as detail
from spreads
where (spread >= 0 and bps < {{ rules.max_spread_bps }}) is not true
