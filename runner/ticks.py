"""Views over ticks: the trades or quotes of some hours, whichever files hold them."""

from datetime import date, timedelta
from pathlib import Path

import duckdb

from runner.models import Models
from runner.publish import file_list, sql_text
from runner.stage import run

COLUMNS = {
    "trades": "trade_id, price, qty, side, source, ts_event, ts_recv",
    "quotes": "update_id, bid, bid_qty, ask, ask_qty, ts_event, ts_recv",
}
HOUR_US = 3_600_000_000


def view_ticks(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    stream: str,
    exchange: str,
    symbol: str,
    sources: tuple[Path, ...],
    hours: tuple[int, int],
    until_us: int | None = None,
) -> None:
    """Make the view `trades` or `quotes` of one UTC day, or hours of it.

    `sources`: hour parts and day files that hold ticks of them; `hours`: first and last, counted from 1970;
    `until_us`: ticks from this moment on are left out.
    """
    files = f"read_parquet({file_list(list(sources))}, hive_partitioning = false)" if sources else f"no_{stream}"
    con.execute(f"create or replace temp view staged_{stream} as select {COLUMNS[stream]} from {files}")
    end_us = (hours[1] + 1) * HOUR_US
    unit = {
        "exchange": exchange,
        "symbol": sql_text(symbol),
        "day": day_text(hours[0] // 24),
        "from_us": hours[0] * HOUR_US,
        "to_us": end_us if until_us is None else min(end_us, until_us),
    }
    run(con, models, stream, unit, kind="view")


def day_text(number: int) -> str:
    """The day that lies so many days after 1970-01-01.

    >>> day_text(20381)
    '2025-10-20'
    """
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def first_hour(day: str) -> int:
    """Hours from 1970 to the start of a day.

    >>> first_hour("1970-01-02")
    24
    """
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 24
