"""One-second bars with pandas, straight from raw lines."""

from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow  # noqa: F401 (the fast reader behind read_json)

# One call for many files: a call each costs more than its few thousand lines.
FILES_AT_ONCE = 240


def bars(raw: str, threads: int, into: str) -> dict:
    """pandas' fastest reader, on many files at a time; only trades are kept of each."""
    pyarrow.set_cpu_count(threads)
    files = sorted(Path(raw).glob("[!_]*/*/*.jsonl"))
    trades = pd.concat([_trades(some) for some in _batches(files)], ignore_index=True)
    trades = trades.drop_duplicates(["symbol", "trade_id"]).sort_values("trade_id")
    trades["second"] = trades["ts_event"] // 1_000_000
    groups = trades.groupby(["symbol", "second"], observed=True)
    made = groups.agg(
        open=("price", "first"),
        high=("price", "max"),
        low=("price", "min"),
        close=("price", "last"),
        volume=("qty", "sum"),
        trades=("price", "size"),
    )
    made.reset_index().astype({"symbol": "str"}).to_parquet(into)
    return {}


def _batches(files: list[Path]) -> list[list[Path]]:
    return [files[at : at + FILES_AT_ONCE] for at in range(0, len(files), FILES_AT_ONCE)]


def _trades(files: list[Path]) -> pd.DataFrame:
    text = b"".join(path.read_bytes() for path in files)
    lines = pd.read_json(BytesIO(text), lines=True, engine="pyarrow")
    trades = lines.loc[
        lines["stream"] == "trade", ["symbol", "trade_id", "ts_event", "price", "qty"]
    ]
    kinds = {"symbol": "category", "trade_id": "int64", "price": "float64", "qty": "float64"}
    return trades.astype(kinds)
