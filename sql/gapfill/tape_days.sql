-- The certificate of one day: which trade ids it has, and how many are missing.
-- grain: exchange, symbol, day
-- file: tape/{exchange}/{symbol}/{day}
-- Missing ids between two trades count on the day of the trade before them; every day that they may belong to is
-- incomplete. The copies of a day whose raw is gone are those that its certificate counted.
with traded as (
    select
        hour // 24 as day_number,
        min(first_id) as first_id,
        max(last_id) as last_id,
        sum(trades)::bigint as count,
        sum(duplicates)::bigint as duplicates,
        sum(repaired)::bigint as repaired
    from tape_hours
    group by all
),

missed as (
    select
        before_second // 86400 as day_number,
        sum(missing)::bigint as missing,
        sum(absent_upstream)::bigint as absent_upstream
    from holes
    where missing is not null
    group by all
),

touched as (
    select distinct recorded_days.day_number
    from recorded_days
    inner join holes
        on holes.from_second // 86400 <= recorded_days.day_number
        and holes.to_second // 86400 >= recorded_days.day_number
    where holes.missing > 0
)

select
    '{{ exchange }}' as exchange,
    '{{ symbol }}' as symbol,
    date '1970-01-01' + recorded_days.day_number::integer as day,
    traded.first_id, -- smallest trade id of the day; NULL: no trade of it is known
    traded.last_id, -- largest trade id of the day; NULL: no trade of it is known
    coalesce(traded.count, 0) as count, -- [trades] that are here, each once
    -- [trades] whose ids are not here, counted on the day of the trade before them
    coalesce(missed.missing, 0) as missing,
    -- [lines] that told a trade once more
    coalesce(noted_certificates.duplicates, traded.duplicates, 0) as duplicates,
    coalesce(traded.repaired, 0) as repaired, -- [trades] of count that were fetched by their ids
    coalesce(missed.absent_upstream, 0) as absent_upstream, -- [ids] that the exchange itself lacks
    -- complete: no trade of it can be missing; incomplete
    if(touched.day_number is null, 'complete', 'incomplete') as verdict
from recorded_days
left join traded using (day_number)
left join missed using (day_number)
left join touched using (day_number)
left join noted_certificates using (day_number)
