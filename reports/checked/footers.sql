-- What a file's own end says of it.
-- grain: file
select {{ as_posix('file_name') }} as file, num_rows as rows
from parquet_file_metadata({{ files }})
