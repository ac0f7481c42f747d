-- A line of the collector's session log that cannot be read, as a row of `rejects`.
-- grain: exchange, symbol, file, line
select
    '{{ exchange }}' as exchange,
    '_sessions' as symbol,
    day::date as day,
    file,
    line,
    text,
    flaw as reason
from session_lines
where flaw is not null
