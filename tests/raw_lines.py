"""Raw lines, session lines and the files that hold them: the formats of a lake, for tests.

Times are epoch microseconds (`_us`). Written from the specification, apart from what the lake
itself uses, so that each side checks the other.
"""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

COMMON = ("symbol", "ts_event", "ts_recv", "price", "qty", "side", "bid", "ask", "stream")
EXTRAS = {
    "trade": ("trade_id", "event_time", "source", "conn"),
    "bookTicker": ("update_id", "bid_qty", "ask_qty", "conn"),
    "absent": ("first_id", "last_id"),
}
SESSION = ("event", "ts_recv", "conn", "mode", "symbols", "symbol", "stream") + (
    "first_id",
    "last_id",
    "count",
    "offset",
    "detail",
)


def micros(text: str) -> int:
    """Epoch microseconds of an ISO time, exactly."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def line(symbol: str, stream: str, time_us: int, **own) -> dict:
    """A raw line with its keys in order; what `own` lacks is null."""
    row = dict.fromkeys(COMMON + EXTRAS[stream])
    return row | {"symbol": symbol, "ts_event": time_us, "stream": stream} | own


def session(event: str, time_us: int, conn: int | None = None, **own) -> dict:
    """A session line with all its keys in order."""
    return dict.fromkeys(SESSION) | {"event": event, "ts_recv": time_us, "conn": conn} | own


def write_lines(base: Path, name: str, rows: list[dict]) -> None:
    """Parts by time of receipt, cut after a minute and at every full hour."""
    parts, opened = defaultdict(list), -HOUR_US
    for row in sorted(rows, key=lambda row: row["ts_recv"]):
        received = row["ts_recv"]
        if received - opened >= MINUTE_US or received // HOUR_US != opened // HOUR_US:
            opened = received
        parts[opened].append(row)
    for opened, content in parts.items():
        number = opened % DAY_US // MINUTE_US + 1
        write(day_folder(base, name, opened) / f"part_{number:03d}.jsonl", content)


def write_repairs(base: Path, name: str, rows: list[dict]) -> None:
    """Repair files, by the hour of the trades themselves, two for an hour with many lines."""
    hours = defaultdict(list)
    for number, row in enumerate(rows):
        hours[row["ts_event"] // HOUR_US, number % 40 > 20].append(row)
    for (hour, half), content in hours.items():
        file = f"repair_{hour % 24:02d}_{content[0]['ts_recv'] + half}.jsonl"
        write(day_folder(base, name, hour * HOUR_US) / file, content)


def day_folder(base: Path, name: str, time_us: int) -> Path:
    day = (EPOCH + timedelta(days=time_us // DAY_US)).date().isoformat()
    return base / "raw" / "binance" / quote(name, safe="") / day


def write(path: Path, rows: list[dict]) -> None:
    """One JSON object a line; a name that is taken gets the next number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first = path
    for copy in range(2, 99):
        if not path.exists():
            break
        path = first.with_name(f"{first.stem}_{copy}.jsonl")
    text = (json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(text), encoding="utf-8", newline="\n")
