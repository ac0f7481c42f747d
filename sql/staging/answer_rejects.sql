-- An answer with rows that cannot be read exactly, as a row of `rejects`: the first of them, and how many there are.
-- grain: exchange, symbol, file, line
select
    '{{ exchange }}' as exchange,
    '_answers' as symbol,
    date '{{ day }}' as day,
    '{{ file }}' as file,
    line,
    arg_min(left(text, 1000), position) as text,
    concat(
        if(min(position) = 0, '', format('row {}: ', min(position))),
        arg_min(flaw, position),
        if(count(*) > 1, format('; rows that cannot be read: {}', count(*)), '')
    ) as reason
from answered
where flaw is not null
group by line
