-- Bars equal official klines.
-- severity: major
-- checks: select count(*) from klines where interval = '{{ tf }}'
-- absent: no klines
-- breaks: update bars_{{ tf }} set volume_base = volume_base + 1
-- In every field, exactly. Bars whose trades are not all known must differ: R5 and R8 tell of them.
{% set fields = [
    ('open', 'open'), ('high', 'high'), ('low', 'low'), ('close', 'close'), ('volume_base', 'volume'),
    ('volume_quote', 'quote_volume'), ('trade_count', 'trades'), ('taker_buy_base', 'taker_base_vol'),
    ('taker_buy_quote', 'taker_quote_vol')
] %}
with compared as (
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
        ) as detail
    from bars_{{ tf }} as bars
    inner join klines
        on klines.exchange = bars.exchange
        and klines.symbol = bars.symbol
        and klines.open_time = bars.window_start
    where klines.interval = '{{ tf }}' and bars.state in ('traded', 'quiet')
)

select exchange, symbol, window_start, detail
from compared
where detail <> ''
