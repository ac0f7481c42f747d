-- Prices are above zero.
-- severity: critical
-- breaks: update checked_bars set volume_base = -volume_base - 1
-- And volumes are not below it. A dark bar has neither: no price is invented. Prices that are no numbers are R4's.
select
    exchange,
    symbol,
    window_start,
    concat_ws(
        ' ', 'open', shown(open), 'high', shown(high), 'low', shown(low), 'close', shown(close),
        'vwap', shown(vwap), 'volumes', shown(volume_base), shown(volume_quote),
        'taker', shown(taker_buy_base), shown(taker_buy_quote), 'trades', shown(trade_count)
    ) as detail
from checked_bars
where least(open, high, low, close) <= 0
    or (
        vwap > 0
        and volume_base >= 0
        and volume_quote >= 0
        and taker_buy_base >= 0
        and taker_buy_quote >= 0
        and trade_count >= 0
        and isfinite(vwap + volume_base + volume_quote + taker_buy_base + taker_buy_quote)
    ) is not true
    and not coalesce(
        state = 'dark'
        and coalesce(vwap, volume_base, volume_quote, taker_buy_base, taker_buy_quote, trade_count) is null,
        false
    )
