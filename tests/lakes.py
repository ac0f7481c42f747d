"""Small lakes for tests: raw lines by hand, builds, and what a build left on disk.

Times are epoch microseconds (`_us`). A lake's folder holds config.yml; its data lies in data/.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote as quoted

import duckdb_cli
from click.testing import CliRunner, Result
from raw_lines import DAY_US, EPOCH, MINUTE_US, SECOND_US, line, micros, session

import lake
from runner import next_step
from runner.build import unchanged
from runner.build.build import Choice, build
from runner.build.report import Report
from runner.config import Lake, load
from runner.lease import replace_unread
from runner.lock import hold

ROOT = Path(__file__).parent.parent
CAPTURES = ROOT.parent / "shared" / "data" / "binance"
# The shell itself: the script of its name is a second process in front of it.
DUCKDB = Path(duckdb_cli.__file__).with_name("duckdb.exe" if os.name == "nt" else "duckdb")
SHOWN = ("parquet", "ticks", "tape")  # the folders of published files
# What was found out about SQL, by its hash: work/models.json of the lakes that were built.
FOUND: dict[str, bytes] = {}
FETCHING = {"repair", "backfill", "macro", "derivatives"}  # commands that build too

DAY = "2025-10-20"
NEXT_DAY = "2025-10-21"
NOON = micros("2025-10-20T12:00:00Z")
MIDNIGHT = micros("2025-10-21T00:00:00Z")


def make(folder: Path, config: str = "") -> Path:
    """A lake without data; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(
        f"general:\n  log_level: WARNING\n{config}", encoding="utf-8"
    )
    return folder


def trade(symbol: str, trade_id: int, time_us: int, price="100", qty="1", **own) -> dict:
    """A trade heard in the moment in which it happens, unless `own` says otherwise."""
    row = {"ts_recv": time_us, "event_time": time_us, "side": "buy", "source": "ws", "conn": 1}
    return line(symbol, "trade", time_us, trade_id=trade_id, price=price, qty=qty) | row | own


def quote(symbol: str, update_id: int, time_us: int, bid="99", ask="101", **own) -> dict:
    row = {"ts_recv": time_us, "bid_qty": "1", "ask_qty": "1", "conn": 1}
    return line(symbol, "bookTicker", time_us, update_id=update_id, bid=bid, ask=ask) | row | own


def absent(symbol: str, first_id: int, last_id: int, time_us: int) -> dict:
    """Ids that the exchange itself lacks."""
    return line(symbol, "absent", time_us, ts_recv=time_us, first_id=first_id, last_id=last_id)


def sessions(start_us: int, end_us: int, symbols: Iterable[str], conn: int = 1) -> list[dict]:
    """One run of the collector with one connection."""
    return [
        session("start", start_us - 2, mode="live"),
        session("connected", start_us - 1, conn),
        session("subscribed", start_us, conn, symbols=list(symbols)),
        session("disconnected", end_us, conn, detail="closed"),
        session("stop", end_us + 1),
    ]


def put(folder: Path, name: str, rows: Iterable[dict]) -> None:
    """Write raw lines (`name`: a symbol or _sessions) into new parts, one a minute of receipt."""
    parts: dict[int, list[bytes]] = defaultdict(list)
    for row in rows:
        text = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
        parts[row["ts_recv"] // MINUTE_US].append(text.encode())
    for minute, lines in parts.items():
        part(folder, name, minute * MINUTE_US, b"\n".join(lines) + b"\n")


def day_of(time_us: int) -> str:
    return (EPOCH + timedelta(days=time_us // DAY_US)).date().isoformat()


def part(folder: Path, name: str, opened_us: int, content: bytes) -> Path:
    """Write a raw part that was opened at a moment; an earlier one of that minute stays."""
    symbol_folder = quoted(name, safe="").replace("..", "%2E%2E")
    place = folder / "data" / "raw" / "binance" / symbol_folder / day_of(opened_us)
    place.mkdir(parents=True, exist_ok=True)
    stem = f"part_{opened_us % DAY_US // MINUTE_US + 1:03}"
    names = [f"{stem}.jsonl", *(f"{stem}_{number}.jsonl" for number in range(2, 99))]
    path = next(place / name for name in names if not (place / name).exists())
    path.write_bytes(content)
    return path


def two_days(symbols: Iterable[str] = ("SOLUSDT", "BTCUSDT")) -> dict[str, list[dict]]:
    """Trades and quotes from 21:58 of one day to 00:02 of the next, with two quiet hours between,
    and their session."""
    lines: dict[str, list[dict]] = {}
    start = MIDNIGHT - 2 * 3600 * SECOND_US - 120 * SECOND_US
    moments = [start + n * 7_300_000 for n in range(30)]
    moments += [MIDNIGHT - 120 * SECOND_US + n * 3_700_000 for n in range(64)]
    for symbol in symbols:
        lines[symbol] = []
        for number, moment in enumerate(moments, 1):
            price, qty = f"{100 + number % 7}.0{number % 10}", f"0.{number % 9 + 1}"
            side = "sell" if number % 3 else "buy"
            row = trade(symbol, number, moment, price, qty, side=side, ts_recv=moment + 900)
            lines[symbol].append(row)
            bid, ask = f"{99 + number % 7}.5", f"{101 + number % 7}.5"
            lines[symbol].append(quote(symbol, 5 * number, moment + 1_100_000, bid, ask))
    lines["_sessions"] = sessions(start, moments[-1] + 2 * SECOND_US, symbols)
    return lines


def make_two_days(folder: Path, symbols: Iterable[str] = ("SOLUSDT", "BTCUSDT")) -> Path:
    """A lake with the raw of two_days, not built yet."""
    make(folder)
    for name, rows in two_days(symbols).items():
        put(folder, name, rows)
    return folder


def bring(folder: Path, threads: int = 1, **choice) -> Report:
    """Build; everything must succeed."""
    with knowing(folder) as here:
        report = build(here, Choice(**choice), threads=threads)
    assert not report.failed, "\n".join(report.failed)
    return report


@contextmanager
def knowing(folder: Path) -> Iterator[Lake]:
    """A lake to build in: what an earlier one found out about the same SQL is given to a new one,
    whose build then takes a third of the time.
    """
    here = load(folder)
    models, program = here.base / "work" / "models.json", unchanged.program(here)
    if FOUND and not models.exists():
        models.parent.mkdir(parents=True, exist_ok=True)
        models.write_bytes(FOUND.get(program) or next(iter(FOUND.values())))
    yield here
    if program not in FOUND and models.exists():
        FOUND[program] = models.read_bytes()


def attempt(folder: Path, **choice) -> list[str]:
    """Build; returns what could not be done."""
    return build(load(folder), Choice(**choice)).failed


def run(folder: Path, command: str, *arguments: str) -> Result:
    """A `lake` command on this lake, in this process."""
    with knowing(folder) if command in FETCHING else nullcontext():
        return CliRunner().invoke(lake.cli, [command, *arguments, "--config", str(folder)])


def process(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen:
    """A `lake` command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "lake", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **environment},
    )


def dry(folder: Path, *arguments: str) -> list[str]:
    """What a dry run says is stale; nothing at all where nothing is."""
    result = run(folder, "build", "--dry-run", "--all", *arguments)
    assert result.exit_code == 0, result.output
    comes_next = {next_step.RECORD, next_step.BUILD, next_step.QUIET, ""}
    lines = [line for line in result.output.splitlines() if line.strip() not in comes_next]
    return [] if lines == ["nothing is stale: everything is up to date"] else lines


def published(folder: Path) -> dict[str, str]:
    """sha256 of every published file, by its path in data/."""
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files(folder)}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """When, and as which file, every published file was written."""
    return {name: (path.stat().st_mtime_ns, path.stat().st_ino) for name, path in files(folder)}


def files(folder: Path) -> list[tuple[str, Path]]:
    base = folder / "data"
    found = [path for top in SHOWN for path in (base / top).rglob("*") if path.is_file()]
    return sorted((path.relative_to(base).as_posix(), path) for path in found)


def changed(before: dict, after: dict) -> set[str]:
    """The files that differ, came or went."""
    return {name for name in before | after if before.get(name) != after.get(name)}


def place(relation: str, symbol: str, day: str) -> str:
    """Where the file of a relation lies, in data/."""
    year, month, date = day.split("-")
    top = {"bars_1s": "parquet/binance", "tape_days": "tape/binance"}
    folder = top.get(relation, f"ticks/binance/{relation}")
    return f"{folder}/{symbol}/year={year}/month={month}/day={date}/{day}.parquet"


def hold_collector(folder: Path) -> AbstractContextManager:
    """As if a collector were running: its sessions are not ended by recovery."""
    return hold(folder / "data" / "collector.lock", "collecting into this lake")


def lends(folder: Path) -> bool:
    """Whether the system tells that nobody has a file open."""
    for name in ("old", "new"):
        (folder / name).write_text(name, encoding="utf-8")
    return replace_unread(folder / "new", folder / "old")


def ask(folder: Path, query: str) -> list[tuple]:
    """The rows of a query on the lake."""
    with lake.connect(folder) as con:
        return con.execute(query).fetchall()


def shell(folder: Path, query: str, *options: str, zone: str = "UTC") -> str:
    """What the duckdb shell answers to a query on lake.db, as CSV without a header."""
    command = [str(DUCKDB), "-readonly", "-csv", "-noheader", *options, str(folder / "lake.db")]
    done = subprocess.run(
        [*command, "-c", query],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "TZ": zone},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
