-- Bars equal official klines.
-- severity: major
-- checks: select count(*) from klines where interval in ('{{ tf }}', '1m')
-- absent: no klines
-- breaks: update bars_{{ tf }} set volume_base = volume_base + 1
-- In every field, exactly; of seconds those, and the minutes that they add up to. Bars whose trades are not all known
-- must differ: R5 and R8 tell of them.
{% set fields = [
    ('open', 'open'), ('high', 'high'), ('low', 'low'), ('close', 'close'), ('volume_base', 'volume'),
    ('volume_quote', 'quote_volume'), ('trade_count', 'trades'), ('taker_buy_base', 'taker_base_vol'),
    ('taker_buy_quote', 'taker_quote_vol')
] %}
with compared as (
    {%- for width in [tf, '1m'] | unique %}
    {{ 'union all' if not loop.first }}
    select
        bars.exchange,
        bars.symbol,
        bars.window_start,
        concat_ws(
            ', '
            {%- for ours, theirs in fields %},
            if(
                bars.{{ ours }}::double is not distinct from klines.{{ theirs }}::double,
                null,
                concat('{{ ours }} ', shown(bars.{{ ours }}), ' official ', shown(klines.{{ theirs }}))
            )
            {%- endfor %}
        ) as differences,
        '{{ width }}: ' || differences as detail
    from bars_{{ width }} as bars
    inner join klines
        on klines.exchange = bars.exchange
        and klines.symbol = bars.symbol
        and klines.open_time = bars.window_start
    where klines.interval = '{{ width }}' and bars.state in ('traded', 'quiet')
    {%- endfor %}
)

select exchange, symbol, window_start, detail
from compared
where differences <> ''
