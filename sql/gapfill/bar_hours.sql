-- One hour of the symbol's grid of seconds, with a digest of all that its bars depend on.
-- grain: hour
-- The digest covers what can change a bar of the hour and nothing else, so that hours are independent units: its own
-- ticks (only the columns that the bars read), its holes and covers, and the edge values before it.
with spans as (
    select start_us, end_us, start_us // 3600000000 as from_hour, end_us // 3600000000 as to_hour
    from merged_covers
),

covered as (
    select
        hour,
        string_agg(
            greatest(start_us, hour * 3600000000) || '-' || least(end_us, (hour + 1) * 3600000000),
            ' ' order by start_us
        ) as covers
    from (select *, unnest(range(from_hour, to_hour + 1)) as hour from spans)
    group by hour
),

holed as (
    select
        hour,
        string_agg(
            distinct greatest(from_second, hour * 3600) || '-' || least(to_second, hour * 3600 + 3599),
            ' ' order by greatest(from_second, hour * 3600) || '-' || least(to_second, hour * 3600 + 3599)
        ) as holes
    from (
        select
            from_second,
            to_second,
            unnest(range(from_second // 3600, to_second // 3600 + 1)) as hour
        from holes
        where missing is null or missing > 0
    )
    group by hour
)

select
    grid_hours.hour // 24 as day_number,
    grid_hours.hour,
    grid_hours.from_second,
    grid_hours.to_second,
    grid_hours.close_before,
    grid_hours.quote_us,
    grid_hours.quote_bid,
    grid_hours.quote_ask,
    md5(concat_ws(
        '|',
        grid_hours.from_second,
        grid_hours.to_second,
        coalesce(grid_hours.close_before, '-'),
        coalesce(grid_hours.quote_bid, '-'),
        coalesce(grid_hours.quote_ask, '-'),
        coalesce(holed.holes, '-'),
        coalesce(covered.covers, '-'),
        coalesce(tape_hours.trades, 0),
        {%- for column in trade_columns %}
        coalesce(tape_hours.{{ column }}_hash, '-'),
        {%- endfor %}
        {%- for column in quote_columns %}
        coalesce(quote_tape_hours.{{ column }}_hash, '-'),
        {%- endfor %}
        coalesce(quote_tape_hours.quotes, 0)
    )) as digest
from grid_hours
left join tape_hours using (hour)
left join quote_tape_hours using (hour)
left join holed using (hour)
left join covered using (hour)
