-- One hour of the symbol's grid of seconds: where it begins and ends, what it carries in, what its bars depend on.
-- grain: hour
-- `digest` covers all that can change a bar of the hour and nothing else, so that hours are independent units:
-- its own ticks (only the columns that the bars read), its holes and covers, and the edge values before it.
with hours as (
    select
        unnest(range(day_number * 24, day_number * 24 + 24)) as hour,
        first_second,
        last_second
    from recorded_days, tape_span
),

grid as (
    select
        hour,
        greatest(hour * 3600, first_second) as from_second,
        least(hour * 3600 + 3599, last_second) as to_second
    from hours
    where hour * 3600 + 3599 >= first_second and hour * 3600 <= last_second
),

spans as (
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
),

edged as (
    select
        grid.*,
        tape_hours.last_price as close_before,
        quote_tape_hours.last_us as quote_us,
        quote_tape_hours.last_bid as quote_bid,
        quote_tape_hours.last_ask as quote_ask
    from grid
    asof left join tape_hours on grid.hour > tape_hours.hour
    asof left join quote_tape_hours on grid.hour > quote_tape_hours.hour
),

-- a quote is carried into the hour only while one cover goes on past the hour's first second
carried as (
    select
        edged.* exclude (quote_us, quote_bid, quote_ask),
        if(merged_covers.end_us >= (edged.from_second + 1) * 1000000, quote_us, null) as quote_us,
        if(merged_covers.end_us >= (edged.from_second + 1) * 1000000, quote_bid, null) as quote_bid,
        if(merged_covers.end_us >= (edged.from_second + 1) * 1000000, quote_ask, null) as quote_ask
    from edged
    asof left join merged_covers on edged.quote_us >= merged_covers.start_us
)

select
    carried.hour // 24 as day_number,
    carried.hour,
    carried.from_second,
    carried.to_second,
    carried.close_before,
    carried.quote_us,
    carried.quote_bid,
    carried.quote_ask,
    md5(concat_ws(
        '|',
        carried.from_second,
        carried.to_second,
        coalesce(carried.close_before, '-'),
        coalesce(carried.quote_bid, '-'),
        coalesce(carried.quote_ask, '-'),
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
from carried
left join tape_hours using (hour)
left join quote_tape_hours using (hour)
left join holed using (hour)
left join covered using (hour)
