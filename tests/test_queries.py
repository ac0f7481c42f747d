"""docs/queries.sql: each query runs as it stands, in the shell as in Python, and is right."""

import csv
import io
import math
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from statistics import correlation, median

import lakes
import pyarrow.parquet
import pytest
import worked_lake
from raw_lines import MINUTE_US, SECOND_US, micros
from worked_lake import DELAY_US, HOLE, LOST, START_US, tape

FILE = lakes.ROOT / "docs" / "queries.sql"
TAKEN = "solusdt_minutes.parquet"
HEAD = re.compile(r"^-- ## (.+)\n((?:-- .+\n)+)", re.MULTILINE)


def queries() -> dict[str, str]:
    """The query below each question, without the `;` at its end."""
    text = FILE.read_text(encoding="utf-8")
    heads = list(HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    bodies = [text[head.end() : end].strip() for head, end in zip(heads, ends, strict=True)]
    assert all(body.endswith(";") and body.count(";") == 1 for body in bodies)
    return {head[1]: body[:-1] for head, body in zip(heads, bodies, strict=True)}


QUERIES = queries()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return worked_lake.make(tmp_path_factory.mktemp("worked") / "lake")


@pytest.fixture(scope="module")
def con(folder):
    with lakes.lake.connect(folder) as con:
        yield con


@dataclass(frozen=True)
class Told:
    """What the shell answered: CSV rows of each query, and the folder that holds what it wrote."""

    folder: Path
    rows: dict[str, list[list[str]]]


@pytest.fixture(scope="module")
def shell_answers(folder, tmp_path_factory) -> Told:
    """All of them, one after the other in one shell, in a zone with half hours."""
    told = tmp_path_factory.mktemp("shell")
    files = {question: told / f"{number}.csv" for number, question in enumerate(QUERIES)}
    script = ["set TimeZone = 'Asia/Kolkata';", '.nullvalue ""']
    for question, query in QUERIES.items():
        here = query.replace(TAKEN, (told / TAKEN).as_posix())
        script += [f".once '{files[question].as_posix()}'", f"{here};"]
    (told / "script.sql").write_text("\n".join(script), encoding="utf-8")
    lakes.shell(folder, f".read '{(told / 'script.sql').as_posix()}'", zone="Asia/Kolkata")
    return Told(
        told,
        {
            question: list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
            for question, path in files.items()
        },
    )


def ask(con, question: str) -> list[dict]:
    """Rows of a documented query by column."""
    cursor = con.execute(QUERIES[question])
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def us(moment) -> int:
    return micros(moment.isoformat())


def test_there_is_a_query_for_each_of_the_usual_questions_and_each_says_why_it_is_right():
    assert len(QUERIES) >= 18
    text = FILE.read_text(encoding="utf-8")
    for head in HEAD.finditer(text):
        assert "-- One row: " in head[2] and "-- Right " in head[2], head[1]
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("question", QUERIES)
def test_a_query_returns_rows_and_the_shell_says_the_same(
    con, shell_answers, question, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rows = con.execute(QUERIES[question]).fetchall()
    assert rows and any(value is not None for value in rows[0])
    if QUERIES[question].startswith("copy"):  # the shell says nothing, but has written
        assert pyarrow.parquet.read_table(shell_answers.folder / TAKEN).num_rows == rows[0][0]
        return
    shown = shell_answers.rows[question]
    assert len(shown) == len(rows)
    for told, row in zip(shown, rows, strict=True):
        for text, value in zip(told, row, strict=True):
            assert as_typed(text, value) == value


def as_typed(text: str, like: object) -> object:
    """A value of the shell's CSV, as the kind that Python got."""
    if like is None:
        return text or None
    if isinstance(like, float):  # sums of doubles depend on the order of addition
        return pytest.approx(float(text), rel=1e-12, abs=1e-15)
    if isinstance(like, bool):
        return text == "true"
    return type(like).fromisoformat(text) if isinstance(like, date) else type(like)(text)


@pytest.mark.parametrize("question", [name for name in QUERIES if "tape" not in QUERIES[name]])
def test_a_query_names_its_symbol_and_its_day(question):
    assert re.search(r"symbol (=|in)|bars\('SOLUSDT'", QUERIES[question])
    assert re.search(r"day (=|between)|, '2025-10-21'", QUERIES[question])


def test_the_vwap_of_an_hour_is_that_of_its_known_trades(con):
    rows = {
        (row["symbol"], us(row["window_start"])): row
        for row in ask(con, "What was the VWAP of each hour?")
    }
    assert len(rows) == 4
    for (symbol, start_us), row in rows.items():
        heard = [
            one for one in tape(symbol).heard() if start_us <= one[1] < start_us + 3600 * 10**6
        ]
        volume = worked_lake.volume(heard)
        assert row["vwap"] == pytest.approx(float(worked_lake.amount(heard) / volume), rel=1e-14)
        assert row["volume_base"] == float(volume)
        assert row["trade_count"] == len(heard)
        assert row["unknown_seconds"] > 0


def test_realised_volatility_leaves_out_every_minute_that_touches_a_hole(con):
    rows = {row["symbol"]: row for row in ask(con, "How volatile was it, by closes of minutes?")}
    for symbol in worked_lake.SYMBOLS:
        squares = [step**2 for step in returns(symbol).values()]
        assert rows[symbol]["returns"] == len(squares) < 119
        assert rows[symbol]["realised"] == pytest.approx(math.sqrt(math.fsum(squares)), rel=1e-9)
        a_year = math.sqrt(math.fsum(squares) / len(squares) * 60 * 24 * 365)
        assert rows[symbol]["a_year"] == pytest.approx(a_year, rel=1e-9)


def test_the_correlation_of_two_symbols_is_that_of_the_minutes_they_share(con):
    ours, others = returns("SOLUSDT"), returns("BTCUSDT")
    shared = sorted(ours.keys() & others.keys())
    [row] = ask(con, "How do two symbols move together?")
    assert row["minutes"] == len(shared) > 100
    expected = correlation([ours[key] for key in shared], [others[key] for key in shared])
    assert row["correlation"] == pytest.approx(expected, abs=1e-12)


def test_the_runs_of_unknown_seconds_are_the_two_holes_and_the_two_ends(con):
    rows = [row for row in ask(con, "When were trades missing?") if row["symbol"] == "SOLUSDT"]
    heard = sorted(one[:2] for one in tape("SOLUSDT").heard())
    holes = [(before[1], after[1]) for before, after in pairwise(heard) if after[0] - before[0] > 1]
    assert len(holes) == 2
    found = {(us(row["from_second"]), us(row["to_second"])): row for row in rows}
    seconds = {(floor(start), floor(end)) for start, end in holes}
    ends = {(floor(one[1]), floor(one[1])) for one in (heard[0], heard[-1])}
    assert set(found) == seconds | ends
    for start, end in seconds:
        row = found[start, end]
        assert row["partial_seconds"] == 2
        assert row["dark_seconds"] == (end - start) // SECOND_US - 1


def test_the_quotes_were_away_for_as_long_as_the_connection(con):
    rows = ask(con, "How long was there no quote?")
    seen = [one[1] for one in tape("SOLUSDT").seen()]
    before, after = max(t for t in seen if t < LOST[0]), min(t for t in seen if t >= LOST[1])
    assert us(rows[0]["from_second"]) == floor(before) + SECOND_US
    assert rows[0]["seconds"] == (floor(after) - floor(before)) // SECOND_US - 1
    assert not any(HOLE[0] <= us(row["from_second"]) < HOLE[1] for row in rows)


def test_the_effective_spread_compares_a_trade_with_the_quote_that_stood(con):
    """Each trade is at one side of the quote a millisecond before it: the quote's own spread."""
    rows = ask(con, "What did takers pay, against the middle of the quote before?")
    for row in rows:
        own = tape(row["symbol"])
        quoted = {at_us: (bid, ask) for _, at_us, bid, ask in own.seen()}
        paid, volume, count = Decimal(0), Decimal(0), 0
        for _, at_us, price, qty, side in own.heard():
            quote = next((quoted[at] for at in before_of(at_us) if at in quoted), None)
            if side == row["side"] and quote:
                mid = sum(quote) / 2
                paid, volume, count = (
                    paid + qty * 2 * abs(price - mid) / mid,
                    volume + qty,
                    count + 1,
                )
        assert (
            row["trades"] <= count and count - row["trades"] <= 3
        )  # beyond the last quote's cover
        assert row["effective_bps"] == pytest.approx(float(paid / volume) * 10_000, rel=1e-3)
    assert len(rows) == 4


def test_the_time_weighted_spread_weighs_each_quote_by_how_long_it_stood(con):
    [row] = ask(con, "What was the time-weighted spread?")
    own, total, weight = tape("SOLUSDT"), Decimal(0), 0
    events = sorted({one[1] for one in own.seen()} | {one[1] for one in own.heard()})
    ends = {}
    for side in (lambda t: t < LOST[0], lambda t: t >= LOST[1]):
        inside = [at_us for at_us in events if side(at_us)]
        ends |= dict.fromkeys(inside, inside[-1])
    for one, following in pairwise([*own.seen(), None]):
        until = min(following[1], ends[one[1]]) if following else ends[one[1]]
        total, weight = total + (one[3] - one[2]) * (until - one[1]), weight + until - one[1]
    assert row["seconds"] == pytest.approx(weight / 1e6, abs=1e-6)
    assert row["spread"] == pytest.approx(float(total / weight), rel=1e-9)


def test_the_largest_trades_are_the_largest(con):
    rows = ask(con, "Which were the largest trades?")
    largest = sorted(tape("SOLUSDT").heard(), key=lambda one: (-one[2] * one[3], one[0]))[:10]
    assert [row["trade_id"] for row in rows] == [one[0] for one in largest]
    assert [row["quote_amount"] for row in rows] == [one[2] * one[3] for one in largest]
    assert all(0 < row["share_of_minute"] <= 1 for row in rows)


def test_bars_of_five_seconds_hold_the_trades_of_their_five_seconds(con):
    rows = ask(con, "Bars of another width: 5 seconds")
    width = 5 * SECOND_US
    heard: dict[int, list] = {}
    for one in tape("SOLUSDT").heard():
        heard.setdefault(one[1] // width * width, []).append(one)
    found = {us(row["bucket_start"]): row for row in rows if row["trade_count"]}
    assert found.keys() == heard.keys()
    for start_us, trades in heard.items():
        prices = [float(one[2]) for one in trades]
        row = found[start_us]
        got = [row[name] for name in ("open", "high", "low", "close")]
        assert got == [prices[0], max(prices), min(prices), prices[-1]]
        assert row["volume_base"] == pytest.approx(float(worked_lake.volume(trades)), rel=1e-14)
    dark = [row for row in rows if row["trade_count"] is None]
    assert len(dark) >= 15 and {row["unknown_seconds"] for row in dark} == {5}
    assert {row[name] for row in dark for name in ("open", "close", "volume_base")} == {None}


def test_macro_is_null_where_its_market_was_closed_and_carried_with_its_age_elsewhere(con):
    rows = ask(con, "Crypto, stocks and the dollar on one grid of minutes")
    assert {us(row["window_start"]): row["spy"] for row in rows if row["spy"]} == worked_lake.spy()
    assert len(rows) == 120 and {row["source"] for row in rows} == {"bars", "kline"}
    known = sorted(at_us + MINUTE_US for at_us in worked_lake.spy())
    for row in ask(con, "Where did SPY stand when the minute began?"):
        start_us = us(row["window_start"])
        last = max(at_us for at_us in known if at_us <= start_us)
        assert row["spy"] == worked_lake.spy()[last - MINUTE_US]
        assert row["minutes_old"] == (start_us - last) // MINUTE_US


def test_latency_is_that_of_the_stream(con):
    rows = ask(con, "How late did trades arrive?")
    assert [(row["symbol"], row["median_ms"], row["most_ms"]) for row in rows] == [
        (symbol, DELAY_US / 1000, DELAY_US / 1000) for symbol in sorted(worked_lake.SYMBOLS)
    ]


def test_spreads_by_hour_count_the_seconds_without_a_quote(con):
    rows = [
        row for row in ask(con, "How wide was the spread, by hour?") if row["symbol"] == "SOLUSDT"
    ]
    assert [row["hour_utc"] for row in rows] == [14, 15]
    [gap, *_] = ask(con, "How long was there no quote?")
    assert rows[0]["unquoted_seconds"] >= gap["seconds"] > 80
    quoted = dict(
        con.execute("""
        select hour(window_start at time zone 'UTC'), list(spread / ((bid + ask) / 2) * 10000)
        from bars_1s where symbol = 'SOLUSDT' and day = '2025-10-20' and bid is not null group by 1
    """).fetchall()
    )
    for row in rows:
        assert row["median_bps"] == pytest.approx(median(quoted[row["hour_utc"]]))


def test_what_was_taken_away_is_the_days_minutes(con, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    con.execute(QUERIES["Take it away as a file"])
    table = pyarrow.parquet.read_table(tmp_path / TAKEN)
    assert table.num_rows == 120
    assert table["close"].to_pylist() == [
        close
        for (close,) in con.execute(
            "select close from bars_1m where symbol = 'SOLUSDT' order by window_start"
        ).fetchall()
    ]


def returns(symbol: str) -> dict[int, float]:
    """Log returns of minutes that are whole and follow a whole one, from the exchange's trades."""
    close = {}
    for one in tape(symbol).trades:
        close[one[1] // MINUTE_US] = one[2]
    minutes = range(START_US // MINUTE_US, START_US // MINUTE_US + 120)
    touched = {edge // MINUTE_US for pair in unknown(symbol) for edge in pair}
    touched |= {
        n for start, end in unknown(symbol) for n in range(start // MINUTE_US, end // MINUTE_US)
    }
    whole = [n for n in minutes if n not in touched]
    return {n: math.log(close[n] / close[n - 1]) for n in whole if n - 1 in whole}


def unknown(symbol: str) -> list[tuple[int, int]]:
    """From the last known trade before each hole to the first one after it, and both ends."""
    heard = sorted(one[:2] for one in tape(symbol).heard())
    holes = [(one[1], two[1]) for one, two in pairwise(heard) if two[0] - one[0] > 1]
    return [*holes, (heard[0][1], heard[0][1]), (heard[-1][1], heard[-1][1])]


def before_of(at_us: int) -> tuple[int, ...]:
    """When the quote of a trade was: a millisecond before the first trade of its moment."""
    return tuple(at_us - 1000 - number for number in range(3))


def floor(at_us: int) -> int:
    return at_us // SECOND_US * SECOND_US
