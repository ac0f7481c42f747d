"""One-second bars with Polars, straight from raw lines."""

from pathlib import Path

import polars as pl

COLUMNS = {
    "symbol": pl.String,
    "ts_event": pl.Int64,
    "price": pl.String,
    "qty": pl.String,
    "stream": pl.String,
    "trade_id": pl.Int64,
}


def bars(raw: str, threads: int, into: str) -> dict:
    """A lazy scan of the columns that are needed; POLARS_MAX_THREADS says how many threads."""
    files = sorted(Path(raw).glob("[!_]*/*/*.jsonl"))
    second = pl.col("ts_event") // 1_000_000
    (
        pl.scan_ndjson(files, schema=COLUMNS)
        .filter(pl.col("stream") == "trade")
        .select("symbol", "trade_id", second.alias("second"), pl.col("price", "qty").cast(float))
        .unique(["symbol", "trade_id"])
        .sort("trade_id")
        .group_by("symbol", "second")
        .agg(
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("qty").sum().alias("volume"),
            pl.len().alias("trades"),
        )
        .sort("symbol", "second")
        .collect()
        .write_parquet(into)
    )
    return {}
