"""Fetching official klines: `lake backfill` against a client that asks day by day and sleeps."""

import subprocess
import sys
from pathlib import Path

from benchmarks import lakes
from benchmarks.capture import addresses
from benchmarks.measure import Measured, run
from benchmarks.table import Table

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
FULL_DAYS, QUICK_DAYS = 180, 5
# What an answer takes to come from the exchange, beside the time that it is made in.
ROUND_TRIP_MS = 60


def measure(folder: Path, quick: bool) -> list[Table]:
    """Requests and seconds of each client."""
    days = QUICK_DAYS if quick else FULL_DAYS
    table = Table(
        "Backfill",
        f"1-minute klines of {len(SYMBOLS)} symbols, {days} whole days before today, from a replay "
        f"on loopback that keeps each answer back for {ROUND_TRIP_MS} ms, as far as the exchange "
        "is away. With 1,000 rows an answer, the least number of requests is rows / 1,000 a "
        "symbol, rounded up.",
        (
            "client",
            "candles",
            "of those there are",
            "requests",
            "the least",
            "s",
            "CPU s",
            "peak MB",
        ),
    )
    whole = days * 1440 * len(SYMBOLS)
    place = folder / f"backfill_{days}"
    lakes.new(place)
    jobs = {
        "a request a day, 0.1 s of sleep": {"job": "day_by_day", "pages_a_day": 1},
        "as many as a day needs, 0.1 s of sleep": {"job": "day_by_day", "pages_a_day": 2},
        "lake backfill: fetched and stored raw": {"job": "fetched", "folder": str(place)},
        "lake backfill: the build after that": {"job": "built", "folder": str(place)},
    }
    for name, arguments in jobs.items():
        found = _measured(days, **arguments)
        table.rows.append(_row(name, found, whole, days))
    return [table]


def _row(name: str, found: Measured, whole: int, days: int) -> tuple[str, ...]:
    candles, requests = found.result.get("candles"), found.result.get("requests")
    least = -(-days * 1440 // 1000) * len(SYMBOLS)
    return (
        name,
        f"{candles:,}" if candles else "-",
        f"{candles / whole:.1%}" if candles else "-",
        f"{requests:,}" if requests else "-",
        f"{least:,}" if requests else "-",
        f"{found.work_s:.1f}",
        f"{found.cpu_s:.1f}",
        f"{found.peak_mb:,.0f}" if found.peak_mb else "-",
    )


def _measured(days: int, job: str, **arguments: object) -> Measured:
    """Run a job, a client against an exchange of its own."""
    if job == "built":
        return run(f"backfill.{job}", **arguments)
    late = f"rest=kind:late,calls:1,path:klines,for:{ROUND_TRIP_MS}ms"
    options = ["--rest-only", "--history-days", str(days), "--fault", late]
    options += ["--symbols", ",".join(SYMBOLS), "--start", "2025-10-20", "--duration", "10"]
    replay = subprocess.Popen(
        [sys.executable, "-u", "-m", "lake", "replay", *options],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        _, rest_url = addresses(replay)
        asked = {"rest_url": rest_url, "symbols": SYMBOLS, "days": days}
        return run(f"backfill.{job}", **arguments, **asked)
    finally:
        replay.kill()
        replay.communicate()
