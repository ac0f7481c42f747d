-- One column that a stored relation declares, by its file without rows.
-- grain: relation, position
select all_files.relation, file_columns.position, file_columns.name, file_columns.type
from file_columns
inner join all_files using (file)
where all_files.is_schema
