"""`lake macro` as a process, with yfinance itself, against Yahoo's hosts on loopback."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import lakes
import pytest
from aiohttp import web
from loopback import finish, run, start
from raw_lines import micros
from yahoo_wire import Chart, Yahoo, bar, body, error

from ingest.answers import Answers
from runner.lock import hold

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
SPY = Path(__file__).parent.parent.parent / "shared" / "data" / "yahoo" / "SPY.csv"
REAL = pytest.mark.skipif(not SPY.exists(), reason="the recording of SPY is not here")
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
# A Monday; the clock is that of a replay, a thousand times as fast where somebody waits.
NOW = micros("2025-10-20T12:00:30Z") // 1_000_000


@pytest.fixture(scope="module")
def server():
    with Yahoo() as one:
        yield one


@pytest.fixture
def yahoo(server):
    """Yahoo with SPY and two names that are no names of folders, on Friday, Sunday and Monday."""
    server.clear()
    server.set_clock(NOW)
    friday, monday = NOW // DAY_S * DAY_S - 3 * DAY_S, NOW // DAY_S * DAY_S
    begins = [friday + 14 * HOUR_S, monday + 9 * HOUR_S]
    times = [begin + n * MINUTE_S for begin in begins for n in range(180)]
    server.bars["SPY"] = [bar(time, 600 + n / 7) for n, time in enumerate(times)]
    server.bars["ES=F"] = [bar(time, 6700 + n / 4) for n, time in enumerate(times)]
    server.bars["EURUSD=X"] = [bar(time, 1.1 + n / 10_000, 0) for n, time in enumerate(times)]
    return server


@pytest.fixture
def folder(tmp_path, yahoo) -> Path:
    """A lake whose Yahoo this is."""
    return lake_of(tmp_path / "lake", yahoo, "SPY", "ES=F", "EURUSD=X")


def lake_of(folder: Path, yahoo: Yahoo, *tickers: str) -> Path:
    names = ", ".join(f"'{ticker}'" for ticker in tickers)
    return lakes.make(folder, f"macro_minute: {{tickers: [{names}], url: '{yahoo.url}'}}\n")


def times(fault, count: int = 1):
    """A fault for the first requests for minutes."""
    left = [count]

    def faulty(chart: Chart) -> web.StreamResponse | None:
        if not chart.is_minutes or not left[0]:
            return None
        left[0] -= 1
        return fault(chart)

    return faulty


def macro(folder: Path, *options: str) -> str:
    """What a run that succeeds says."""
    code, output = run(folder, "macro", *options)
    assert code == 0, output
    return output


def minutes(folder: Path, ticker: str) -> list[tuple]:
    query = f"""
        select epoch_us(window_start) // 1000000, open, high, low, close, volume
        from macro_minute where ticker = '{ticker}' order by all
    """
    return lakes.ask(folder, query)


def answers(folder: Path) -> list[dict]:
    """The raw answers, in the order of their files."""
    files = sorted((folder / "data" / "raw" / "yahoo").rglob("answers*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_a_first_run_fetches_in_chunks_of_seven_days_and_an_empty_weekend_is_no_error(
    folder, yahoo
):
    output = macro(folder, "--days", "20")
    assert output.endswith("1,080 new minutes (3 tickers, 9 requests, 1,080 rows received)\n")
    for ticker in ("SPY", "ES=F", "EURUSD=X"):
        asked = [chart for chart in yahoo.asked if chart.ticker == ticker]
        assert len(asked) == 3 and all(0 < one.end - one.start <= 7 * DAY_S for one in asked)
        # each begins with a minute that the one before ended with
        assert [one.start + MINUTE_S for one in asked[1:]] == [one.end for one in asked[:-1]]
        end_s = NOW // MINUTE_S * MINUTE_S
        assert (asked[0].start, asked[-1].end) == (end_s - 20 * DAY_S, end_s)
        assert minutes(folder, ticker) == yahoo.bars[ticker]
    kept = answers(folder)
    assert [len(one["body"]) for one in kept if one["request"]["ticker"] == "SPY"] == [0, 0, 360]
    assert {one["fetched_at"] for one in kept} == {NOW * 1_000_000}
    assert (folder / "data" / "raw" / "yahoo" / "ES%3DF" / "2025-10-20").is_dir()


def test_later_runs_begin_where_the_answers_end(folder, yahoo):
    def starts() -> set[int]:
        """When what a run asks for begins, and how long it is."""
        before = len(yahoo.asked)
        output.append(macro(folder))
        return {one.start for one in yahoo.asked[before:]}

    output = [macro(folder, "--days", "7")]
    known = (folder / "data" / "work" / "models.json").read_bytes()
    again = NOW // MINUTE_S * MINUTE_S - HOUR_S - MINUTE_S
    assert starts() == {again}
    assert output[-1] == "nothing new (3 tickers, 3 requests, 183 rows received)\n"
    assert (folder / "data" / "work" / "models.json").read_bytes() == known
    caches = sorted((folder / "data" / "work" / "yfinance").glob("*.db"))
    assert caches
    for cache in caches:
        cache.write_bytes(b"no database" * 1_000)
    yahoo.set_clock(NOW + 3 * DAY_S)
    assert starts() == {again}
    yahoo.set_clock(NOW + 43 * DAY_S)
    assert min(starts()) == NOW // MINUTE_S * MINUTE_S + 14 * DAY_S
    lost = (
        "SPY, ES=F, EURUSD=X from 2025-10-23T11:00:00Z to 2025-11-03T12:00:00Z can no longer be had"
    )
    assert f"macro data of {lost}" in output[-1]


def test_a_revised_minute_stays_one_row_and_its_earlier_form_is_kept(folder, yahoo):
    macro(folder)
    second, before = yahoo.bars["SPY"][-1][0], yahoo.bars["SPY"][-1]
    after = (second, *before[1:4], before[4] + 0.25, 999)
    yahoo.bars["SPY"][-1] = after
    yahoo.set_clock(NOW + 5 * MINUTE_S)
    assert "nothing new, 1 revised (" in macro(folder)
    assert minutes(folder, "SPY")[-1] == after
    query = "select before_close, before_volume, after_close, after_volume from macro_revisions"
    assert lakes.ask(folder, query) == [(*before[4:], *after[4:])]


def test_too_many_requests_are_told_and_waited_for(folder, yahoo):
    limited = lambda chart: web.Response(status=429, text="Too Many Requests")  # noqa: E731
    yahoo.faults.append(times(limited, 4))
    output = macro(folder)
    assert "Yahoo: too many requests (429); the next try is in 15 s" in output
    assert "the next try is in 30 s" in output and "1,080 new minutes" in output


def test_an_answer_that_failed_is_asked_for_again(tmp_path, yahoo):
    half = '{"chart": {"resu'
    yahoo.faults += [
        times(lambda chart: web.Response(status=500, text="<html>oops</html>"), 2),
        times(lambda chart: web.Response(text=half, content_type="application/json")),
        times(lambda chart: web.Response(text="<html>Will be right back</html>")),
    ]
    folder = lake_of(tmp_path / "lake", yahoo, "SPY")
    assert "360 new minutes" in macro(folder)
    assert minutes(folder, "SPY") == yahoo.bars["SPY"]
    # yfinance itself asks twice where the status is bad
    assert [chart.ticker for chart in yahoo.asked] == ["SPY"] * 5


def test_one_failing_ticker_does_not_stop_the_others(tmp_path, yahoo):
    yahoo.faults.append(lambda chart: web.Response(status=500) if chart.ticker == "ES=F" else None)
    folder = lake_of(tmp_path / "lake", yahoo, "NOPE", "ES=F", "SPY")
    code, output = run(folder, "macro")
    assert code == 1
    assert minutes(folder, "SPY") == yahoo.bars["SPY"] and not minutes(folder, "ES=F")
    told = output.splitlines()[-2:]
    assert told[0].startswith("Error: no minutes of NOPE from 2025-10-13T12:00:00Z to ")
    assert told[0].endswith(": Yahoo does not know this ticker; look at macro_minute.tickers")
    assert told[1].startswith("no minutes of ES=F from 2025-10-13T12:00:00Z")
    assert told[1].endswith(": status 500; run the same command again")
    assert "Traceback" not in output and "yfinance" not in output


def test_without_a_network_one_sentence_is_said(tmp_path, yahoo):
    folder = lake_of(tmp_path / "lake", yahoo, "SPY", "UUP", "ES=F", "JPY=X")
    code, output = run(folder, "macro", "--url", "http://127.0.0.1:9")
    assert code == 1 and "Traceback" not in output
    [sentence] = [line for line in output.splitlines() if "Error: " in line]
    assert sentence == output.splitlines()[-1]
    assert sentence.startswith("Error: no usable answer: http://127.0.0.1:9, [Errno ")
    assert sentence.endswith("; look at the network, then run the same command again")


def test_after_two_tickers_in_vain_the_others_are_not_asked(tmp_path, yahoo):
    yahoo.bars |= {"JPY=X": [], "CAD=X": []}
    down = {"ES=F", "EURUSD=X", "JPY=X"}
    yahoo.faults.append(lambda chart: web.Response(status=502) if chart.ticker in down else None)
    folder = lake_of(tmp_path / "lake", yahoo, "SPY", "ES=F", "EURUSD=X", "JPY=X", "CAD=X")
    code, output = run(folder, "macro")
    assert code == 1 and minutes(folder, "SPY") == yahoo.bars["SPY"]
    last = "JPY=X, CAD=X: not asked, as nobody answered; run the same command again"
    assert output.splitlines()[-1] == last
    assert not {chart.ticker for chart in yahoo.charts} & {"JPY=X", "CAD=X"}


def test_the_outcomes_of_yfinance_are_told_apart(tmp_path, yahoo):
    second = yahoo.bars["SPY"][0][0]
    no_periods = body("X", [bar(second)])
    del no_periods["chart"]["result"][0]["meta"]["tradingPeriods"]
    range_error = "1m data not available. The requested range must be within the last 30 days."
    invalid = {"finance": {"result": None, "error": {"code": "Unauthorized"}}}
    outcomes = {
        "EMPTY": (web.json_response(body("X", [])), []),
        "HOLIDAY": (error(400, "Bad Request", "Data doesn't exist for startDate = 1"), []),
        "OLD": (error(422, "Unprocessable Entity", range_error), f"Yahoo says: {range_error}"),
        "CRUMB": (web.json_response(invalid, status=401), "status 401"),
        "CLOSED": (web.Response(status=403, text="<html>"), "status 403"),
        "NULL": (web.json_response(None), "an answer without prices"),
        "GZIP": (
            web.Response(headers={"Content-Encoding": "gzip"}, body=b'{"ch'),
            "ContentDecodingError",
        ),
        "KEY": (web.json_response(no_periods), "an answer that cannot be read (KeyError: 'tradi"),
        "LIMIT": (web.Response(status=429), "too many requests (429)"),
    }
    bodies = {
        name: (answer.status, answer.body, answer.headers) for name, (answer, _) in outcomes.items()
    }

    def answer(chart: Chart) -> web.Response | None:
        if chart.ticker not in bodies or not chart.is_minutes:
            return None
        status, content, headers = bodies[chart.ticker]
        kept = {key: headers[key] for key in ("Content-Encoding", "Content-Type") if key in headers}
        return web.Response(status=status, body=content, headers=kept)

    yahoo.bars |= dict.fromkeys(outcomes, [])
    yahoo.faults.append(answer)
    script = """
import json, sys
from pathlib import Path
from loguru import logger
from ingest.macro.yahoo import Trouble, Yahoo
logger.remove()
yahoo, found = Yahoo(Path(sys.argv[1]), sys.argv[2]), {}
for name in sys.argv[4:]:
    try:
        found[name] = yahoo.minutes(name, int(sys.argv[3]), int(sys.argv[3]) + 600)
    except Trouble as trouble:
        found[name] = str(trouble)
print(json.dumps(found))
"""
    where = [str(tmp_path / "cache"), yahoo.url, str(second)]
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:ingest", "-c", script, *where, *outcomes],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    assert done.stderr == "" and done.returncode == 0
    for name, found in json.loads(done.stdout).items():
        wanted = outcomes[name][1]
        assert found == wanted if isinstance(wanted, list) else found.startswith(wanted), name


def recorded() -> list[tuple]:
    """The rows of the recording in its order: second, open, high, low, close, volume."""
    with SPY.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))[1:]
    return [
        (
            int(datetime.fromisoformat(cells[0]).timestamp()),
            *(float(cell) if cell else None for cell in cells[1:6]),
        )
        for cells in lines
    ]


def best(rows: list[tuple]) -> dict[int, tuple]:
    """The row of each minute that is one: the first row of an answer may lack its volume."""
    found: dict[int, tuple] = {}
    for row in rows:
        if None not in row and (row[-1] or row[0] not in found):
            found[row[0]] = row
    return found


@REAL
def test_answers_that_repeat_each_other_are_one_clean_row_a_minute(tmp_path, yahoo):
    rows, answers = recorded(), [[]]
    for row in rows:
        if answers[-1] and row[0] < answers[-1][-1][0]:
            answers.append([])
        answers[-1].append(row)
    repeated = [second for second, count in Counter(row[0] for row in rows).items() if count > 1]
    assert len(answers) == 19 and len(repeated) == 898
    folder = lake_of(tmp_path / "lake", yahoo, "SPY")
    names = ("ts", "open", "high", "low", "close", "volume")
    with Answers(folder / "data" / "raw" / "yahoo") as kept:
        for number, answer in enumerate(answers):
            listed = [dict(zip(names, (row[0] * 10**6, *row[1:]), strict=True)) for row in answer]
            request = {"ticker": "SPY", "start": answer[0][0], "end": answer[-1][0] + MINUTE_S}
            fetched_us = (rows[-1][0] + number * HOUR_S) * 10**6
            kept.append("SPY", fetched_us, request, json.dumps(listed).encode())
    lakes.bring(folder)
    wanted = best(rows)
    assert minutes(folder, "SPY") == [wanted[second] for second in sorted(wanted)]


@REAL
def test_an_answer_with_duplicates_and_steps_back_is_one_clean_row_a_minute(tmp_path, yahoo):
    rows, end = recorded(), micros("2020-01-16T22:00:00Z") // 10**6
    yahoo.bars["SPY"] = rows
    yahoo.set_clock(end)
    folder = lake_of(tmp_path / "lake", yahoo, "SPY")
    macro(folder, "--days", "29")
    begin = yahoo.asked[0].start
    assert len(yahoo.asked) == 5 and begin == end - 29 * DAY_S
    found = minutes(folder, "SPY")
    # of a minute that one answer has twice, once without prices, yfinance may give the latter
    nulls = {row[0] for row in rows if None in row}
    wanted = [second for second in sorted(best(rows)) if second >= begin and second not in nulls]
    assert [row[0] for row in found if row[0] not in nulls] == wanted
    assert set(found) <= set(rows) and len(found) - len(wanted) <= len(nulls) == 1


@POSIX
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)]
)
def test_a_signal_ends_a_run_whose_request_hangs(tmp_path, yahoo, number):
    folder = lake_of(tmp_path / "lake", yahoo, "SPY", "ES=F")
    yahoo.hang_on("ES=F")
    process = start(folder, "macro")
    assert yahoo.hanging.wait(120)
    process.send_signal(number)
    output = finish(process, 10)
    assert process.returncode == 1
    assert output.splitlines()[-1].startswith("Error: stopped before it was done")
    assert [len(one["body"]) for one in answers(folder)] == [360]


@POSIX
def test_kill_9_and_a_torn_answer_cost_nothing(tmp_path, yahoo):
    folder = lake_of(tmp_path / "lake", yahoo, "SPY", "ES=F")
    yahoo.hang_on("ES=F")
    process = start(folder, "macro", "--days", "20")
    assert yahoo.hanging.wait(120)
    process.kill()
    process.communicate()
    [file] = (folder / "data" / "raw" / "yahoo" / "SPY").rglob("answers.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    file.write_bytes(b"".join(lines[:2]) + lines[2][:500])
    yahoo.faults.clear()
    first = len(yahoo.asked)
    assert "720 new minutes" in macro(folder, "--days", "20")
    again = [chart for chart in yahoo.asked[first:] if chart.ticker == "SPY"]
    assert [chart.end - chart.start for chart in again] == [6 * DAY_S + 2 * MINUTE_S]
    for ticker in ("SPY", "ES=F"):
        assert minutes(folder, ticker) == yahoo.bars[ticker]
    assert len(answers(folder)) == 6


def test_what_the_command_takes_and_refuses(folder, yahoo):
    told = lakes.run(folder, "macro", "--help")
    assert "lake macro --tickers SPY,EURUSD=X --days 29" in told.output
    for wrong in (("--tickers", ","), ("--days", "30"), ("--url", "ftp://x"), ("--tickers", "A B")):
        done = lakes.run(folder, "macro", *wrong)
        assert done.exit_code == 2 and wrong[0] in done.output
    none = lakes.run(lake_of(folder.parent / "none", yahoo), "macro")
    assert none.output == "nothing to fetch: macro_minute.tickers names none\n"
    assert not yahoo.paths


def test_a_second_run_at_the_same_time_says_who_is_at_work(folder):
    with hold(folder / "data" / "macro.lock", "fetching macro data into this lake"):
        done = lakes.run(folder, "macro")
    assert done.exit_code == 1
    assert "Another process is already fetching macro data into this lake" in done.output
