"""The collector against loops that only receive: the same replay, the same messages."""

import re
import subprocess
import sys
from pathlib import Path

from benchmarks import lakes
from benchmarks.measure import JobFailed, Measured, run
from benchmarks.table import Table
from replay.symbols import LISTINGS

AIM = 150_000
# Of the market that is replayed.
FULL_S, QUICK_S = 3_600, 10


def measure(folder: Path, quick: bool) -> list[Table]:
    """Messages a second, by CPU time of the receiving process and by the clock."""
    table = Table(
        "Capture",
        "Trades, best quotes and heartbeats of 19 symbols, replayed on loopback as fast as they "
        "are read. Per core: messages by CPU seconds of the receiving process alone; the wall "
        "clock waits for the replay, which shares the machine.",
        ("receiver", "messages", "per core and s", "per s of wall", "peak MB", "of bare loop"),
    )
    duration_s = QUICK_S if quick else FULL_S
    lakes.new(folder / "capture")
    (folder / "capture" / "data").mkdir()
    collected = _against(duration_s, "collect", folder=str(folder / "capture"))
    bare = _against(duration_s, "receive", symbols=list(LISTINGS), whole=False)
    plain = _against(duration_s, "receive", symbols=list(LISTINGS), whole=True)
    messages = collected.result["messages"]
    for name, found in (
        ("bare loop: frames counted as they come", bare),
        ("websockets' recv(), counted", plain),
        ("lake collect, to disk", collected),
    ):
        table.rows.append(_row(name, messages, found, bare))
    table.notes.append(f"Aim: {AIM:,} messages/s per core to disk.")
    return [table]


def _row(name: str, messages: int, found: Measured, bare: Measured) -> tuple[str, ...]:
    return (
        name,
        f"{messages:,}",
        f"{messages / found.cpu_s:,.0f}",
        f"{messages / found.work_s:,.0f}",
        f"{found.peak_mb:,.0f}" if found.peak_mb else "-",
        f"{bare.cpu_s / found.cpu_s:.2f}",
    )


def _against(duration_s: int, job: str, **arguments: object) -> Measured:
    """Run a receiver against a replay of its own."""
    options = ["--symbols", ",".join(LISTINGS), "--speed", "max", "--duration", str(duration_s)]
    replay = subprocess.Popen(
        [sys.executable, "-u", "-m", "lake", "replay", *options],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        ws_url, rest_url = addresses(replay)
        if job == "collect":
            arguments["rest_url"] = rest_url
        return run(f"capture.{job}", ws_url=ws_url, **arguments)
    finally:
        replay.kill()
        replay.communicate()


def addresses(replay: subprocess.Popen) -> tuple[str, str]:
    """Where a replay serves WebSocket and REST, once it says so."""
    told = ""
    for line in replay.stdout:
        told += line
        ws_url, rest_url = re.search(r"ws://\S+", told), re.search(r"http://\S+", told)
        if ws_url and rest_url:
            return ws_url[0], rest_url[0]
    raise JobFailed(f"the replay did not start: {told}")
