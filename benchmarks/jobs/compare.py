"""Whether bars made elsewhere are those of the lake."""

import lake

DIFFERENCES = """
    with ours as (
        select symbol, epoch_us(window_start) // 1000000 as second, * exclude (symbol)
        from bars_1s
        where trade_count > 0
    ),

    theirs as (
        select decode(symbol::blob) as symbol, * exclude (symbol)
        from read_parquet($bars)
    )

    select
        count(*),
        count(*) filter ((
            ours.open = theirs.open and ours.high = theirs.high and ours.low = theirs.low
            and ours.close = theirs.close and ours.trade_count = theirs.trades
            and abs(ours.volume_base - theirs.volume) <= 1e-9 * ours.volume_base
        ) is not true)
    from ours
    full join theirs using (symbol, second)
"""


def bars(folder: str, bars: str) -> dict:
    """Traded seconds, and those that differ: prices and counts exactly, volumes but for the last
    digits of a sum of doubles.
    """
    seconds, differing = lake.connect(folder).execute(DIFFERENCES, {"bars": bars}).fetchone()
    return {"seconds": seconds, "differing": differing}
