-- One column of a file, as it is stored; the parts of a nested one follow it.
-- grain: file, position
select
    {{ as_posix('file_name') }} as file,
    column_id as position,
    name,
    concat_ws(' ', type, converted_type, precision, scale) as type
from parquet_schema({{ files }})
where column_id > 0
