-- The length of an interval of klines in microseconds; null for one that is none, or has no fixed length.
create or replace macro kline_width_us(name) as
    case name
        when '1s' then 1
        when '1m' then 60
        when '3m' then 180
        when '5m' then 300
        when '15m' then 900
        when '30m' then 1800
        when '1h' then 3600
        when '2h' then 7200
        when '4h' then 14400
        when '6h' then 21600
        when '8h' then 28800
        when '12h' then 43200
        when '1d' then 86400
    end::bigint * 1000000
