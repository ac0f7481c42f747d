-- How many rows a file was written with, as its metadata says.
-- grain: file
select file_name as file, decode(value)::bigint as rows
from parquet_kv_metadata({{ files }})
where decode(key) = 'lake.rows'
