"""Questions to a lake: how long an answer takes, with a new connection and with the same one."""

import statistics
import time

import duckdb  # noqa: F401 (counts as start-up)
import pyarrow  # noqa: F401

import lake


def ask(folder: str, queries: dict[str, str], repeats: int) -> dict:
    """Rows and seconds of each query: `new`, with the making of its connection; `same`, without.
    Each is asked once before.
    """
    found = {}
    for name, query in queries.items():
        _asked(lake.connect(folder), query)
        new = [_timed(lambda query=query: _asked(lake.connect(folder), query)) for _ in range(3)]
        con = lake.connect(folder)
        rows = _asked(con, query)
        same = [_timed(lambda query=query, con=con: _asked(con, query)) for _ in range(repeats)]
        found[name] = {
            "rows": rows,
            "new": statistics.median(new),
            "same": statistics.median(same),
        }
    return found


def _asked(con, query: str) -> int:
    return con.sql(query).to_arrow_table().num_rows


def _timed(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
