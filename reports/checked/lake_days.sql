-- The newest day with bars and the first day with sessions in this lake, by the names of files.
select
    max(day) filter (relation = 'bars_1s') as newest_day,
    min(day) filter (relation = 'sessions') as first_session_day
from all_files
where is_named and not is_schema
