-- A value as text, also where there is none.
create or replace macro shown(value) as coalesce(value::varchar, 'null')
