-- Whether a row of an answer of Yahoo lacks the volume of its minute, which another answer has: the first one may.
create or replace macro lacks_volume(ticker_minute, row_position, minute_volume) as
    coalesce(
        row_position = 1 and minute_volume = 0 and max(minute_volume) over (partition by ticker_minute) > 0,
        false
    )
