-- What connections say of the time before a moment, as one hash: plans of the days before it rest on that.
select sum(hash(
    connections.conn,
    connections.connected_us,
    least(connections.ended_us, {{ to_us }}),
    connections.symbols,
    list_filter(
        list_transform(sessions.stalls, lambda stall: (stall.symbol, epoch_us(stall.stalled_at))),
        lambda stall: stall[2] < {{ to_us }}
    )
))::varchar as content
from connections
inner join sessions using (conn)
where connections.connected_us < {{ to_us }}
