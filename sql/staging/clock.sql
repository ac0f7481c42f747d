-- What one minute of receipt on one connection adds to reach the exchange's clock, in microseconds.
-- grain: conn, minute
-- The median of event time minus receive time of the trades in that minute; where it has none, of the nearest
-- minute of the hour that has (the earlier of two); then the offset measured when the connection opened.
with measured as (
    select conn, recv_us // 60000000 as minute, quantile_disc(sent_us - recv_us, 0.5) as offset_us
    from lines
    where is_trade and not is_rest
    group by all
),

minutes as (
    select distinct conn, minute
    from received
    where is_readable
),

nearest as (
    select
        minutes.conn,
        minutes.minute,
        arg_min(measured.offset_us, (abs(measured.minute - minutes.minute), measured.minute)) as offset_us
    from minutes
    inner join measured on measured.conn is not distinct from minutes.conn
    group by all
)

select
    minutes.conn,
    minutes.minute,
    coalesce(nearest.offset_us, connections.offset_us, 0) as offset_us,
    nearest.offset_us is null as is_fallback
from minutes
left join nearest
    on nearest.conn is not distinct from minutes.conn and nearest.minute = minutes.minute
left join connections on connections.conn = minutes.conn
