-- Five-minute bars, from the bars of one second; the day is the UTC day.
-- grain: exchange, symbol, window_start
{% from 'macros/ohlcv.jinja' import ohlcv %}
{{ ohlcv('bars_1s', '5 minutes') }}
