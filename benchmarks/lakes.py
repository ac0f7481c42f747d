"""Lakes to measure on: raw lines of a synthetic market, and lakes of many days, the old ones
sealed.
"""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

from benchmarks.market import DAY_US, FIRST_DAY, MINUTE_US, SYMBOLS, Tape

HOUR_US = 60 * MINUTE_US
# What an old day leaves: lines enough that no cover ends (60 s of silence), few enough to be quick.
LINES_AN_HOUR = 120
# The open day: whole hours, then minutes as the collector seals them.
OPEN_HOURS, OPEN_MINUTES, LINES_A_MINUTE = 12, 30, 50


def day_text(number: int) -> str:
    """A day, counted from 1970, as it is written."""
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def new(folder: Path) -> Path:
    """A lake without data; returns its folder of raw lines."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = "general:\n  log_level: WARNING\n"
    (folder / "config.yml").write_text(config, encoding="utf-8")
    return folder / "data" / "raw" / "binance"


def unbuild(folder: Path) -> None:
    """Take away all that builds have made; raw lines and configuration stay."""
    for path in (folder / "data").iterdir():
        if path.name != "raw":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / "lake.db").unlink(missing_ok=True)


def one_day(folder: Path, lines: int, symbols: tuple[str, ...], minutes: int = 1_440) -> None:
    """A lake with about `lines` raw lines of one day, a part a minute and symbol; the first symbols
    are the liveliest. Half way the connection is replaced by another that overlaps it.
    """
    raw, start_us, middle = new(folder), FIRST_DAY * DAY_US, minutes // 2
    early, late = start_us, start_us + middle * MINUTE_US
    ranks = sum(1 / (number + 1) for number in range(len(symbols)))
    for number, symbol in enumerate(symbols):
        tape, count = Tape(symbol), max(1, int(lines / minutes / ranks / (number + 1)))
        for minute in range(minutes):
            conns = (early, late) if minute == middle else (early if minute < middle else late,)
            at_us = start_us + minute * MINUTE_US
            part(raw, symbol, at_us, tape.lines(at_us, MINUTE_US, count, conns))
    sessions(raw, early, late + MINUTE_US, symbols)
    sessions(raw, late, start_us + minutes * MINUTE_US, symbols)


def history_raw(folder: Path, days: int, symbols: tuple[str, ...]) -> None:
    """The raw of the first symbol over some days, the last one open; `copied` adds the others.

    An old day comes in one part, which is staged in one go: what is published of it is the same.
    """
    raw, tape = new(folder), Tape(symbols[0])
    for day in range(FIRST_DAY, FIRST_DAY + days):
        start_us, is_open = day * DAY_US, day == FIRST_DAY + days - 1
        sessions(raw, start_us, None if is_open else start_us + DAY_US, symbols)
        if is_open:
            break
        text = tape.lines(start_us, DAY_US, 24 * LINES_AN_HOUR, (start_us,))
        part(raw, tape.symbol, start_us, text)
    for hour in range(OPEN_HOURS):
        at_us = start_us + hour * HOUR_US
        part(raw, tape.symbol, at_us, tape.lines(at_us, HOUR_US, LINES_AN_HOUR, (start_us,)))
    for minute in range(OPEN_HOURS * 60, OPEN_HOURS * 60 + OPEN_MINUTES):
        at_us = start_us + minute * MINUTE_US
        part(raw, tape.symbol, at_us, tape.lines(at_us, MINUTE_US, LINES_A_MINUTE, (start_us,)))


def minutes(days: int, count: int) -> list[bytes]:
    """The minutes that follow the raw of `history_raw`, of its symbol."""
    tape, start_us = Tape(SYMBOLS[0]), (FIRST_DAY + days - 1) * DAY_US
    for _ in range(days - 1):
        tape.lines(0, DAY_US, 24 * LINES_AN_HOUR, (0,))
    for _ in range(OPEN_HOURS):
        tape.lines(0, HOUR_US, LINES_AN_HOUR, (0,))
    first = OPEN_HOURS * 60
    found = [
        tape.lines(start_us + minute * MINUTE_US, MINUTE_US, LINES_A_MINUTE, (start_us,))
        for minute in range(first, first + OPEN_MINUTES + count)
    ]
    return found[OPEN_MINUTES:]


def add_minute(folder: Path, days: int, symbols: tuple[str, ...], number: int, text: bytes) -> None:
    """One more minute of raw for all symbols."""
    raw, minute = folder / "data" / "raw" / "binance", OPEN_HOURS * 60 + OPEN_MINUTES + number
    at_us = (FIRST_DAY + days - 1) * DAY_US + minute * MINUTE_US
    for symbol in symbols:
        part(raw, symbol, at_us, _renamed(text, symbol))


def copied(folder: Path, days: int, symbols: tuple[str, ...]) -> None:
    """Give a lake of one symbol, built and sealed, the others.

    They are copies: the planner and the views tell symbols by their folders. The next build writes
    the certificates and covers of the copies.
    """
    data, mine, last = folder / "data", symbols[0], day_text(FIRST_DAY + days - 1)
    staged, raw = data / "work" / "staged" / "binance", data / "raw" / "binance"
    for symbol in symbols[1:]:
        for path in (raw / mine / last).iterdir():
            there = raw / symbol / last / path.name
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(_renamed(path.read_bytes(), symbol))
        published = (path.parent for path in data.glob(f"*/**/{mine}/year=*"))
        for own in {staged / mine, *published}:
            shutil.copytree(own, own.parent / symbol)


def _renamed(text: bytes, symbol: str) -> bytes:
    return text.replace(b'"symbol":"%b"' % SYMBOLS[0].encode(), b'"symbol":"%b"' % symbol.encode())


def part(raw: Path, symbol: str, at_us: int, text: bytes) -> None:
    """Write a raw part as it lies after it was sealed."""
    number = at_us % DAY_US // MINUTE_US + 1
    path = raw / symbol / day_text(at_us // DAY_US) / f"part_{number:03}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)


def sessions(raw: Path, conn: int, end_us: int | None, symbols: tuple[str, ...]) -> None:
    """The session log of one connection, which still lives where `end_us` is None."""
    keys = ("event", "ts_recv", "conn", "mode", "symbols", "symbol", "stream")
    keys += ("first_id", "last_id", "count", "offset", "detail")
    rows = [
        {"event": "start", "ts_recv": conn, "mode": "live"},
        {"event": "connected", "ts_recv": conn, "conn": conn},
        {"event": "subscribed", "ts_recv": conn, "conn": conn, "symbols": list(symbols)},
    ]
    if end_us is not None:
        rows.append({"event": "disconnected", "ts_recv": end_us, "conn": conn, "detail": "closed"})
        rows.append({"event": "stop", "ts_recv": end_us})
    text = "".join(
        json.dumps(dict.fromkeys(keys) | row, separators=(",", ":")) + "\n" for row in rows
    )
    part(raw, "_sessions", conn, text.encode())
