"""Queries on a lake of 90 days and 19 symbols."""

from pathlib import Path

from benchmarks.measure import run
from benchmarks.rebuild import FULL, QUICK, make
from benchmarks.table import Table

DAY, NEXT = "2025-10-20", "2025-10-21"
QUERIES = {
    "a symbol-day of bars_1s, by day": f"""
        from bars_1s where symbol = 'BTCUSDT' and day = '{DAY}'""",
    "a symbol-day of bars_1s, bars()": f"from bars('BTCUSDT', '{DAY}', '{NEXT}')",
    "a symbol-day of trades, ticks()": f"from ticks('BTCUSDT', '{DAY}', '{NEXT}')",
    "a month of bars_1m, by day": """
        from bars_1m
        where symbol = 'BTCUSDT' and day >= '2025-10-20' and day < '2025-11-20'""",
    "latest_price": "from latest_price",
    "tape": "from tape",
}


def measure(folder: Path, quick: bool) -> list[Table]:
    """Milliseconds until all rows are there, as Arrow."""
    size = QUICK if quick else FULL
    days = size.days[-1]
    lake = make(folder, days, size)
    found = run("queries.ask", folder=str(lake), queries=QUERIES, repeats=3 if quick else 9)
    table = Table(
        f"Queries: {days} days of {size.symbols} symbols",
        "All rows fetched as Arrow; files warm; medians. A new connection: `lake.connect()` and "
        "the query.",
        ("query", "rows", "same connection, ms", "new connection, ms"),
    )
    for name, one in found.result.items():
        table.rows.append(
            (name, f"{one['rows']:,}", f"{one['same'] * 1e3:,.0f}", f"{one['new'] * 1e3:,.0f}")
        )
    table.notes.append(
        f"Aim: a symbol-day in 50 ms. Peak memory: {found.peak_mb:,.0f} MB."
        if found.peak_mb
        else "Aim: a symbol-day in 50 ms."
    )
    return [table]
