-- The bytes and quotation marks that the lines of an hour of receipt have if the collector wrote them.
-- grain: is_whole
-- `is_whole`: all of them are trades or quotes.
{% import 'macros/written_line.jinja' as written_line %}
select
    coalesce(bool_and(is_trade or is_quote), true) as is_whole,
    coalesce(sum(written_length), 0) as bytes,
    count(*) * {{ written_line.quotation_marks }} as quotation_marks
from lines
