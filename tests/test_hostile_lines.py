"""Any bytes in a raw file: each line is read exactly or is a row of `rejects`, and no other line
suffers."""

import json
from collections import defaultdict
from pathlib import Path
from random import Random

import lakes
import odd_lines
import pytest
from campaign import Campaign
from lakes import MIDNIGHT, NOON
from odd_lines import is_blank, reading
from raw_lines import DAY_US, HOUR_US

SYMBOLS = ("SOLUSDT", "O'NEIL", "币安人生USDT", "a/b", "..", "{{ 7*7 }}")
ENDS = (b"\n", b"\n", b"\n", b"", b"\n\n\n", b"\n \t\r\n", b"\r\n")


def content(random: Random, symbol: str, first_id: int, time_us: int) -> tuple[bytes, set[int]]:
    """A part, and which of its lines (from 1) nobody touched."""
    lines, untouched = [], set()
    count, share = random.choice([(1, 1.0), (2, 0.5), (5, 0.3), (40, 0.5), (40, 1.0), (60, 0.05)])
    for number in range(count):
        line = odd_lines.good(random, symbol, first_id + number, time_us)
        if random.random() > share:
            untouched.add(len(lines) + 1)
            lines.append(json.dumps(line, separators=(",", ":")).encode())
        elif random.random() < 0.05:
            lines.append(random.choice(odd_lines.JUNK))
        else:
            # as a file is read: a line ends where the byte \n stands
            lines += odd_lines.mutate(random, line).split(b"\n")
    newline = random.choice([b"\n"] * 6 + [b"\r\n", b"\n\n"])
    if newline == b"\n\n":
        untouched = {2 * number - 1 for number in untouched}
    return newline.join(lines) + random.choice(ENDS), untouched


def fill(folder: Path, random: Random) -> dict[tuple, tuple[bytes, set[int]]]:
    """Raw parts of several symbols and hours: {(symbol, file): (content, untouched lines)}."""
    parts = {}
    for symbol in random.sample(SYMBOLS, 3):
        for hour in range(2):
            time_us = NOON + hour * HOUR_US
            first_id = 1_000_000 * (hour + 1)
            part = content(random, symbol, first_id, time_us)
            path = lakes.part(folder, symbol, time_us, part[0])
            parts[symbol, path.name] = part
    return parts


def accepted(folder: Path, parts: dict, saw: Campaign) -> dict[str, list[tuple]]:
    """What the lines of each symbol say that were not rejected, by an independent reader."""
    texts = {
        (symbol, file, line): text
        for symbol, file, line, text in lakes.ask(
            folder, "select symbol, file, line, text from rejects"
        )
    }
    found = defaultdict(list)
    for (symbol, file), (data, untouched) in parts.items():
        for number, line in enumerate(data.split(b"\n"), 1):
            text = texts.pop((symbol, file, number), None)
            if is_blank(line):
                assert text is None, f"a blank line of {symbol} {file} is a reject"
                continue
            read = reading(line, symbol, MIDNIGHT - DAY_US)
            if text is None:
                assert read, f"read, though it says nothing exactly: {line!r}"
                found[symbol].append(read)
                saw.saw("lines read exactly")
            else:
                assert number not in untouched, f"a good line is a reject: {line!r}"
                assert text in (line.decode("utf-8", "replace"), escaped(line)), line
                saw.saw(
                    "lines rejected, unreadable" if read is None else "lines rejected, strictly"
                )
    assert not texts, f"rejects of lines that do not exist: {list(texts)[:3]}"
    return found


def escaped(line: bytes) -> str:
    """A line that is not UTF-8, as DuckDB writes bytes."""
    plain = {byte for byte in range(32, 127)} - set(b"\\'\"")
    return "".join(chr(byte) if byte in plain else f"\\x{byte:02X}" for byte in line)


def check_trades(folder: Path, symbol: str, lines: list[tuple]) -> None:
    """The relation holds one line of each id: the earliest received, ws before rest."""
    by_id = defaultdict(list)
    for stream, *values in lines:
        if stream == "trade":
            by_id[values[0]].append(tuple(values))
    rows = lakes.ask(
        folder,
        "select trade_id, price, qty, side, epoch_us(ts_event), epoch_us(ts_recv), source "
        f"from trades where symbol = '{symbol.replace(chr(39), chr(39) * 2)}'",
    )
    assert sorted(by_id) == sorted(row[0] for row in rows)
    for row in rows:
        first = min((line[5], line[6] == "rest") for line in by_id[row[0]])
        assert row in [line for line in by_id[row[0]] if (line[5], line[6] == "rest") == first]


def check_quotes(folder: Path, symbol: str, lines: list[tuple]) -> None:
    by_id, nameless = defaultdict(list), defaultdict(set)
    for stream, *values in lines:
        if stream == "bookTicker" and values[0] is None:
            nameless[values[-1]].add((values[1], values[3]))
        if stream == "bookTicker":
            by_id[values[0]].append(tuple(values))
    for values in by_id.pop(None, ()):
        rank = sorted(nameless[values[-1]]).index((values[1], values[3]))
        by_id[values[-1] + rank].append((values[-1] + rank, *values[1:]))
    rows = lakes.ask(
        folder,
        "select update_id, bid, bid_qty, ask, ask_qty, epoch_us(ts_recv) "
        f"from quotes where symbol = '{symbol.replace(chr(39), chr(39) * 2)}'",
    )
    assert sorted(by_id) == sorted(row[0] for row in rows)
    for row in rows:
        first = min(line[-1] for line in by_id[row[0]])
        assert row in [line for line in by_id[row[0]] if line[-1] == first]


def trial(folder: Path, seed: int, saw: Campaign) -> None:
    random = Random(seed)
    parts = fill(lakes.make(folder), random)
    report = lakes.bring(folder, threads=2)
    found = accepted(folder, parts, saw)
    nonblank = sum(not is_blank(line) for data, _ in parts.values() for line in data.split(b"\n"))
    assert report.lines == nonblank
    assert report.rejects == nonblank - sum(map(len, found.values()))
    for symbol in {symbol for symbol, _ in parts}:
        check_trades(folder, symbol, found[symbol])
        check_quotes(folder, symbol, found[symbol])


@pytest.mark.parametrize("rounds", [1, pytest.param(150, marks=pytest.mark.soak)])
def test_every_line_is_read_exactly_or_is_a_reject(tmp_path, campaign, rounds):
    saw = campaign("hostile raw lines", rounds)
    for seed in saw.seeds:
        try:
            trial(tmp_path / str(seed), seed, saw)
        except Exception as error:
            raise AssertionError(f"--seed {seed}: {error}") from error


# Lines whose bytes are as many as the collector would have written, and which DuckDB's reader of
# whole files rounds or leaves out without a word.
ROUNDED = {
    "a number without quotes": (("price", "9007199255.12345678"), []),
    "a fraction as id": (("price", "100"), [("trade_id", "1.5")]),
    "an id as text": (("price", "1002"), [("trade_id", '"1"')]),
    "a connection that is none": (("conn", "true"), []),
    "an event time that is none": (("event_time", "[{}]"), []),
    "an id beyond 64 bits": (("conn", "9223372036854775808"), []),
    "the same number in a part of its own": (("price", "7"), [("x", '{"price":5}')]),
}
READ = {"a number without quotes": "9007199255.12345678", "an id as text": "1002.00000000"}


@pytest.fixture(scope="module")
def rounded(tmp_path_factory) -> Path:
    """A symbol and an hour a line."""
    folder = lakes.make(tmp_path_factory.mktemp("rounded") / "lake")
    for number, (first, others) in enumerate(ROUNDED.values()):
        line = lakes.trade(f"R{number}", 1, NOON)
        tokens = {key: json.dumps(value) for key, value in line.items()}
        changed = dict(others) | {key: tokens[key] for key in tokens if key not in dict(others)}
        text = ",".join(f'"{key}":{value}' for key, value in (changed | dict([first])).items())
        lakes.part(folder, f"R{number}", NOON, f"{{{text}}}\n".encode())
    lakes.bring(folder)
    return folder


@pytest.mark.parametrize("kind", ROUNDED)
def test_a_line_alone_in_its_hour_is_read_exactly_or_not_at_all(rounded, kind):
    symbol = f"R{list(ROUNDED).index(kind)}"
    prices = lakes.ask(rounded, f"select price::varchar from trades where symbol = '{symbol}'")
    rejects = lakes.ask(rounded, f"select reason from rejects where symbol = '{symbol}'")
    assert (prices, len(rejects)) == ([(READ[kind],)] if kind in READ else [], kind not in READ)


MILLION = 1_000_000


@pytest.mark.parametrize(
    "size",
    [2 * MILLION, *(pytest.param(n * MILLION, marks=pytest.mark.soak) for n in (68, 150))],
)
@pytest.mark.parametrize("fill", [b"x", pytest.param(b"\xff", marks=pytest.mark.soak)])
def test_an_endless_line_is_a_reject_that_shows_its_first_bytes(tmp_path, size, fill):
    folder = lakes.make(tmp_path / "lake")
    first, last = (json.dumps(lakes.trade("SOLUSDT", n, NOON + n)).encode() for n in (1, 2))
    lakes.part(folder, "SOLUSDT", NOON, b"\n".join([first, b'{"note":"' + fill * size, last, b""]))
    report = lakes.bring(folder)
    assert (report.lines, report.rejects) == (3, 1)
    assert lakes.ask(folder, "select trade_id from trades order by all") == [(1,), (2,)]
    ((line, text, reason),) = lakes.ask(folder, "select line, text, reason from rejects")
    assert (
        text.startswith('{"note":"x' if fill == b"x" else "{\\x22note\\x22") and len(text) <= 1000
    )
    assert (line, reason) == (2, "longer than 1048576 bytes; these are its first ones")
