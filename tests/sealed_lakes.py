"""A lake whose first day is over, and what sealing must leave of it."""

import hashlib
import json
import shutil
from pathlib import Path

import lakes
from lakes import DAY, MIDNIGHT, place, put, quote, trade
from raw_lines import MINUTE_US, write_repairs

from runner.build.packed import content, pack_of, read_index

SYMBOL = "SOLUSDT"
OVER_US = MIDNIGHT + 31 * MINUTE_US
LATE_US = MIDNIGHT - 60 * MINUTE_US
RELATIONS = ("bars_1s", "covers", "quotes", "tape_days", "trades")
PACK = f"data/raw/binance/{SYMBOL}/{DAY}.jsonl.zst"


def make_over(folder: Path) -> Path:
    """A built lake whose first day is over, with a trade of it heard after midnight."""
    lakes.make_two_days(folder, [SYMBOL])
    own = {"ts_recv": MIDNIGHT + 40_000, "conn": None, "source": "rest"}
    put(folder, SYMBOL, [trade(SYMBOL, 64, MIDNIGHT - 100_000, **own)])
    put(folder, SYMBOL, [quote(SYMBOL, 9000, OVER_US, conn=2)])
    lakes.bring(folder)
    return folder


def compact(folder: Path, *arguments: str) -> list[str]:
    """What `lake compact` says; it must succeed."""
    result = lakes.run(folder, "compact", *arguments)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def late_trade(number: int = 95, time_us: int = LATE_US) -> dict:
    own = {"ts_recv": OVER_US + MINUTE_US, "event_time": None, "source": "rest", "conn": None}
    return trade(SYMBOL, number, time_us, **own)


def bring_late(folder: Path, number: int = 95) -> None:
    """A repair of the first day, not built yet."""
    write_repairs(folder / "data", SYMBOL, [late_trade(number, LATE_US + number)])


def raw_of(folder: Path, day: str = DAY) -> dict[str, bytes]:
    """The loose raw parts of a day by name."""
    parts = (folder / "data/raw/binance" / SYMBOL / day).glob("*.jsonl")
    return {path.name: path.read_bytes() for path in parts}


def raw_lines(folder: Path) -> set[bytes]:
    """All raw lines of the symbol, loose or packed."""
    raw = folder / "data/raw/binance" / SYMBOL
    texts = [path.read_bytes() for path in raw.rglob("*.jsonl")]
    for pack in raw.glob("*.zst"):
        texts += [content(pack, part) for part in read_index(pack).parts]
    return {line for text in texts for line in text.splitlines()}


def trade_ids(lines: set[bytes]) -> list[int]:
    rows = [json.loads(line) for line in lines]
    return sorted({row["trade_id"] for row in rows if row["stream"] == "trade"})


def sums(folder: Path) -> dict[str, str]:
    """Path in data/ → hash, by all SHA256SUMS."""
    found = {}
    for path in (folder / "data").rglob("SHA256SUMS"):
        for line in path.read_text(encoding="utf-8").splitlines():
            digest, name = line.split("  ")
            found[(path.parent / name).relative_to(folder / "data").as_posix()] = digest
    return found


def archived(folder: Path) -> dict[str, str]:
    """The same by relation `archive`."""
    return dict(lakes.ask(folder, "select file, sha256 from archive"))


def shown(folder: Path) -> dict[str, str]:
    """Hash of every published file, without what sealing itself adds."""
    return {name: one for name, one in lakes.published(folder).items() if "SUMS" not in name}


def check_promises(folder: Path) -> None:
    """Every hash that the lake names is that of the file that is there."""
    for told in (sums(folder), archived(folder)):
        for name, digest in told.items():
            path = folder / "data" / name
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, name


def check_sealed(folder: Path, days: set[str]) -> None:
    """These days are sealed whole, their raw is packed, their hour parts are gone."""
    check_promises(folder)
    names = {place(name, SYMBOL, day) for name in RELATIONS for day in days}
    assert set(archived(folder)) == set(sums(folder)) == names
    raw = folder / "data/raw/binance" / SYMBOL
    assert {path.name for path in raw.iterdir() if path.is_dir()} & days == set()
    assert {pack_of(raw / day).exists() for day in days} == {True}
    staged = folder / "data/work/staged/binance" / SYMBOL
    assert {path.name for path in staged.iterdir()} & days == set()


def copy(folder: Path, to: Path) -> Path:
    """A copy with the same times of change, as caches know files by them."""
    return shutil.copytree(folder, to)
