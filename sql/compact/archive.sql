-- A sealed file: what it holds, whether something is missing in its day, and the hash of its bytes.
-- grain: exchange, symbol, day, relation
-- file: archive/{exchange}/{symbol}/{day}
-- Missing are the seconds of the UTC day without a known price, dark or outside the recording (of bars and trades).
with spans as (
    select 'trades' as relation, min(ts_event) as start_at, max(ts_event) as end_at
    from trades
    union all
    select 'quotes', min(ts_event), max(ts_event)
    from quotes
    union all
    select 'covers', min(start_at), max(end_at)
    from covers
    where day = date '{{ day }}'
    union all
    select 'bars_1s', min(window_start), max(window_start)
    from bars_1s
),

known as (
    select 86400 - count(*) filter (state <> 'dark') as missing_seconds
    from bars_1s
),

certificates as (
    select verdict, missing
    from tape_days
    where day = date '{{ day }}'
)

select
    '{{ exchange }}' as exchange,
    '{{ symbol }}' as symbol,
    date '{{ day }}' as day,
    sealed_files.relation, -- whose file it is
    sealed_files.file, -- its path below the data folder
    sealed_files.rows, -- [rows] in it
    -- [seconds] of the day without a known price; NULL: neither bars nor trades
    if(sealed_files.relation in ('bars_1s', 'trades'), known.missing_seconds, null) as missing_seconds,
    -- [trades] of the day whose ids are not here; NULL: neither bars nor trades, or no certificate
    if(sealed_files.relation in ('bars_1s', 'trades'), certificates.missing, null) as missing_trades,
    sealed_files.duplicates, -- [rows] whose key is there once more
    sealed_files.schema, -- names and types of its columns
    -- first and last moment of its rows; in tape_days, rejects and files without rows both are null
    struct_pack(start_at := spans.start_at, end_at := spans.end_at) as span,
    -- of the day's certificate, or not recorded
    coalesce(certificates.verdict, 'not recorded') as verdict,
    sealed_files.bytes, -- [bytes] its size
    sealed_files.sha256, -- of its bytes, as sha256sum has it
    sealed_files.content, -- hash of its rows, however they are stored
    utc_time(sealed_files.sealed_us) as sealed_at -- [UTC] when it was sealed
from sealed_files
cross join known
left join certificates on true
left join spans on spans.relation = sealed_files.relation
