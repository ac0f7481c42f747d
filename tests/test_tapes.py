"""The shipped build against the oracle, on hundreds of random tapes.

One lake holds many tapes, so that one build checks them all.
"""

import hashlib
import shutil
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

import oracle
import pytest
import tapes
from raw_lines import HOUR_US, MINUTE_US, line, micros, session, write_lines, write_repairs

import lake
from runner.build.build import build
from runner.config import load
from runner.lock import hold

# Arguments of write_lake: minutes mostly; hours, and days with a day between that has nothing.
LAKES = [{"seed": seed} for seed in range(2)] + [
    {"seed": 100, "symbols": 8, "span_us": 3 * HOUR_US},
    {"seed": 101, "symbols": 8, "gap_us": 5 * HOUR_US},
    {"seed": 102, "symbols": 4, "gap_us": 50 * HOUR_US},
]
# Smaller ones, which are built several times.
STEPPED = [
    {"seed": 204, "symbols": 5, "span_us": 3 * HOUR_US},
    {"seed": 206, "symbols": 3, "gap_us": 50 * HOUR_US},
]
RARELY = (1, 101, 206)
STATES = ("traded", "quiet", "partial", "dark")
TRADES = "trade_id, price, qty, side, epoch_us(ts_event), epoch_us(ts_recv), source"
QUOTES = "update_id, bid, bid_qty, ask, ask_qty, epoch_us(ts_event), epoch_us(ts_recv)"


COVERS = "epoch_us(start_at), epoch_us(end_at)"


def seed_of(arguments: dict) -> str:
    return f"seed {arguments['seed']}"


def each(lakes: list[dict]) -> list:
    """The lakes as parameters; some of them in long runs only."""
    rare = [[pytest.mark.soak] if one["seed"] in RARELY else [] for one in lakes]
    return [pytest.param(one, marks=marks) for one, marks in zip(lakes, rare, strict=True)]


@pytest.fixture(params=each(LAKES), ids=seed_of, scope="module")
def built(request, tmp_path_factory):
    """A lake that was built at once: its folder and what the oracle says of it."""
    folder = new_lake(tmp_path_factory.mktemp("lake"))
    tapes.write_lake(folder / "data", **request.param)
    build_whole(folder)
    return folder, oracle.judge(*oracle.read(folder / "data"))


def new_lake(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    folder.joinpath("config.yml").write_text("general: {log_level: ERROR}\n", encoding="utf-8")
    return folder


def build_whole(folder: Path) -> None:
    assert build(load(folder)).failed == []


def rows(folder: Path, columns: str, relation: str) -> dict[tuple, tuple]:
    """Rows of a relation by symbol and first column, which must tell them apart."""
    with lake.connect(folder) as con:
        found = con.execute(f"select symbol, {columns} from {relation}").fetchall()
    assert len({row[:2] for row in found}) == len(found), f"{relation} has a row twice"
    return {row[:2]: row[2:] for row in found}


def assert_same(found: dict[tuple, tuple], expected: dict[tuple, tuple]) -> None:
    wrong = {key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)}
    shown = "\n".join(
        f"{key}:\n  build  {found.get(key)}\n  oracle {expected.get(key)}"
        for key in sorted(wrong)[:5]
    )
    assert not wrong, f"{len(wrong)} of {len(expected)} rows differ\n{shown}"


def test_bars_agree_with_the_oracle(built):
    folder, judgements = built
    relation = "(select *, epoch_us(window_start) // 1000000 as second from bars_1s)"
    expected = {(name, row[0]): row[1:] for name, own in judgements.items() for row in own.bars}
    assert_same(rows(folder, oracle.BAR, relation), expected)


def test_the_tape_agrees_with_the_oracle(built):
    folder, judgements = built
    relation = "(from tape where count > 0)"
    expected = {
        (name, date(1970, 1, 1) + timedelta(days=day)): row
        for name, own in judgements.items()
        for day, row in own.tape.items()
    }
    assert_same(rows(folder, f"day, {oracle.TAPE}", relation), expected)


def test_trades_agree_with_the_oracle(built):
    folder, judgements = built
    expected = {
        (name, key): (
            Decimal(row["price"]),
            Decimal(row["qty"]),
            row["side"],
            row["ts_event"],
            row["ts_recv"],
            row["source"],
        )
        for name, own in judgements.items()
        for key, (row, _) in own.trades.items()
    }
    assert_same(rows(folder, TRADES, "trades"), expected)


def test_quotes_agree_with_the_oracle(built):
    folder, judgements = built
    expected = {
        (name, key): (
            *(Decimal(row[column]) for column in ("bid", "bid_qty", "ask", "ask_qty")),
            time,
            row["ts_recv"],
        )
        for name, own in judgements.items()
        for key, (row, time) in own.quotes.items()
    }
    assert_same(rows(folder, QUOTES, "quotes"), expected)


def test_covers_agree_with_the_oracle_once_joined_over_midnight(built):
    folder, judgements = built
    found = defaultdict(list)
    for (symbol, start), (end,) in rows(folder, COVERS, "covers").items():
        found[symbol].append((start, end))
    expected = {name: own.covers for name, own in judgements.items() if own.covers}
    assert_same({name: oracle.merged(ranges) for name, ranges in found.items()}, expected)


def test_a_second_build_does_nothing(built):
    folder, _ = built
    assert build(load(folder)).is_empty


@pytest.mark.parametrize("arguments", each(STEPPED), ids=seed_of)
def test_built_in_steps_elsewhere_every_published_file_is_the_same(arguments, tmp_path):
    folder, other = new_lake(tmp_path / "at once"), new_lake(tmp_path / "in steps")
    tapes.write_lake(folder / "data", **arguments)
    build_whole(folder)
    steps = arrivals(folder / "data", Random(5))
    with hold(other / "data" / "collector.lock", "collecting into this lake"):
        for step in steps[:-1]:
            copy(step, folder, other)
            build_whole(other)
    copy(steps[-1], folder, other)
    build_whole(other)
    found, expected = published(other), published(folder)
    differing = {path for path in found | expected if found.get(path) != expected.get(path)}
    assert differing == set()


def test_a_collector_that_starts_again_within_the_hour_takes_no_trade_back(tmp_path):
    folder = new_lake(tmp_path)
    start = micros("2025-10-20T12:50:00Z")
    write_run(folder / "data", start, range(1, 21), is_over=True)
    build_whole(folder)
    before = rows(folder, TRADES, "trades")
    write_run(folder / "data", start + 25 * MINUTE_US, range(21, 31), is_over=False)
    with hold(folder / "data" / "collector.lock", "collecting into this lake"):
        build_whole(folder)
    assert len(before) == 20 and before.items() <= rows(folder, TRADES, "trades").items()


def test_a_copy_that_comes_after_the_build_leaves_the_same_bytes(tmp_path):
    start = micros("2025-10-20T12:50:00Z")
    own = {"ts_recv": start + HOUR_US, "price": "1", "qty": "1", "side": "buy", "source": "rest"}
    again = line("S", "trade", start + 2 * MINUTE_US, trade_id=2, **own)
    folders = [new_lake(tmp_path / name) for name in ("early", "late")]
    for folder in folders:
        write_run(folder / "data", start, range(1, 21), is_over=True)
    build_whole(folders[0])
    for folder in folders:
        write_repairs(folder / "data", "S", [again])
        build_whole(folder)
    assert published(folders[0]) == published(folders[1])


def write_run(base: Path, start: int, ids: range, is_over: bool) -> None:
    """A run of the collector that hears one trade a minute."""
    own = {"price": "1", "qty": "1", "side": "buy", "source": "ws", "conn": start}
    times = [start + number * MINUTE_US for number in range(1, len(ids) + 1)]
    trades = [
        line("S", "trade", time, ts_recv=time, event_time=time, trade_id=trade_id, **own)
        for trade_id, time in zip(ids, times, strict=True)
    ]
    log = [session("start", start - 1, mode="live"), session("connected", start, start)]
    log.append(session("subscribed", start, start, symbols=["S"]))
    end = [session("disconnected", times[-1], start), session("stop", times[-1])]
    write_lines(base, "S", trades)
    write_lines(base, "_sessions", log + end * is_over)


def copy(files: list[Path], folder: Path, other: Path) -> None:
    """Copy files of one lake to their places in another."""
    for path in files:
        target = other / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def arrivals(base: Path, random: Random) -> list[list[Path]]:
    """The raw files in the order in which they came to be, repairs last, cut into a few steps."""

    def moment(path: Path) -> tuple:
        kind, number, *_ = path.stem.split("_")
        return kind, path.parent.name, int(number)

    files = sorted((base / "raw").rglob("*.jsonl"), key=moment)
    cuts = sorted(random.sample(range(1, len(files)), 2))
    return [files[low:high] for low, high in pairwise((0, *cuts, len(files)))]


def published(folder: Path) -> dict[str, str]:
    """sha256 of each published file, by its path in the lake."""
    files = [
        path
        for area in ("parquet", "ticks", "tape")
        for path in (folder / "data" / area).rglob("*.*")
    ]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_the_tapes_hold_every_difficulty(tmp_path):
    found = Counter()
    for arguments in LAKES[:4]:
        base = tmp_path / str(arguments["seed"])
        tapes.write_lake(base, **arguments)
        for own in oracle.judge(*oracle.read(base)).values():
            found.update(difficulties(own))
    assert [name for name, count in found.items() if not count] == []


def difficulties(own: oracle.Judgement) -> dict[str, int]:
    bars = [dict(zip(oracle.BAR.split(", "), row, strict=True)) for row in own.bars]
    days = [dict(zip(oracle.TAPE.split(", "), row, strict=True)) for row in own.tape.values()]
    times = [time for _, (_, time) in sorted(own.trades.items())]
    return {
        **{state: sum(bar["state"] == state for bar in bars) for state in STATES},
        **{name: sum(day[name] > 0 for day in days) for name in oracle.TAPE.split(", ")},
        "over midnight": len(days) > 1,
        "one trade": len(times) == 1,
        "quotes only": bool(own.quotes and not times),
        "no quote": bool(times and not own.quotes),
        "several covers": len(own.covers) > 1,
        "shown quote": sum(bar["bid"] is not None for bar in bars),
        "quote that ended": sum(bar["bid"] is None for bar in bars) if own.quotes else 0,
        "no volume": sum(bar["volume_base"] == 0 and bar["state"] == "traded" for bar in bars),
        "huge": sum((bar["volume_base"] or 0) > 1e19 for bar in bars),
        "tied": sum(one == next for one, next in pairwise(times)),
        "backwards": sum(one > next for one, next in pairwise(times)),
    }
