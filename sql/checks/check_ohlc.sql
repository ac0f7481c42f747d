-- Prices are ordered, above zero and numbers, asks not below bids, volumes not below zero.
-- checks: select format('{:,} bars', sum(bars)::bigint) from bar_days
-- absent: There are no bars yet
{%- set rules = ['r1_ohlc_order', 'r2_positive_prices', 'r3_ask_above_bid', 'r4_prices_are_numbers'] %}
with
{%- for rule in rules %}
{{ rule }}_broken as (
    {% include 'sql/rules/' ~ rule ~ '.sql' %}
){{ ',' if not loop.last }}
{%- endfor %}
{% for rule in rules %}
select
    'FAIL' as verdict,
    concat_ws(' ', symbol, utc_text(window_start)) as place,
    detail,
    'see `lake validate` of that day; move its file of bars away and run `lake build`' as advice
from {{ rule }}_broken
{{ 'union all' if not loop.last }}
{%- endfor %}
