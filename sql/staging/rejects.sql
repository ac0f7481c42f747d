-- A raw line that cannot be read exactly, with where it stands and why; the rest of its file counts.
-- grain: exchange, symbol, file, line
-- file: ticks/{exchange}/rejects/{symbol}/{day}
{% import 'macros/line_format.jinja' as line_format %}
with typed as (
    {{ line_format.typed('strict_lines') }}
)

select
    '{{ exchange }}' as exchange,
    '{{ symbol }}' as symbol, -- the folder that it lies in: a symbol, or _sessions or _answers
    date '{{ day }}' as day,
    file, -- the raw file; of answers, with its folders below the exchange's
    line, -- its number in the file, from 1
    text, -- the line, or the first bytes of one that is too long
    case
        when flaw is not null then flaw
        when symbol is distinct from '{{ symbol }}'
            then format('symbol {} in the folder of {}', coalesce(symbol, 'null'), '{{ symbol }}')
        when coalesce(stream, '') not in ('trade', 'bookTicker', 'absent')
            then format('unknown stream {}', coalesce(stream, 'null'))
        when stream = 'absent' then 'first_id and last_id are not a range of ids'
        when recv_us is null then 'ts_recv is not a time from 2000 to 2099'
        when stream = 'trade' and event_us is null then 'ts_event is not a time from 2000 to 2099'
        when coalesce(source, 'ws') <> 'rest' and not {{ line_format.is_in_place(day) }}
            then 'ts_recv is more than a day off its folder'
        when stream = 'trade' and event_us > recv_us + 86400000000
            then 'ts_event is more than a day after ts_recv'
        when stream = 'trade' and coalesce(trade_id < 0, true) then 'trade_id is not an id'
        when stream = 'trade' and coalesce(side not in ('buy', 'sell'), true) then 'side is neither buy nor sell'
        when stream = 'trade' and coalesce(source, 'ws') not in ('ws', 'rest') then 'source is neither ws nor rest'
        when stream = 'bookTicker' and update_id < 0 then 'update_id is not an id'
        when stream = 'trade' and coalesce({{ line_format.price('price') }} and {{ line_format.quantity('qty') }}, false)
            then 'price times quantity is beyond 10^18'
        else 'a price or quantity is not a decimal number of at most 8 decimals'
    end as reason -- why it cannot be read exactly
from typed
where not {{ line_format.is_trade(symbol, day) }}
    and not {{ line_format.is_quote(symbol, day) }}
    and not {{ line_format.is_absent(symbol) }}
