"""`lake derivatives` against the futures exchange on loopback."""

import json
import os
import signal
from pathlib import Path

import lakes
import pytest
from aiohttp import web
from futures_wire import DAY_MS, FIVE_MINUTES_MS, HOUR_MS, Futures, funding, interest, refusal
from loopback import finish, run, start
from raw_lines import micros

from ingest.derivatives.pages import flaw, times_of

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
NOW_MS = micros("2025-10-20T12:07:30Z") // 1000


@pytest.fixture(scope="module")
def server():
    with Futures() as one:
        yield one


@pytest.fixture
def futures(server):
    server.clear()
    server.set_clock(NOW_MS // 1000)
    return server


@pytest.fixture
def folder(tmp_path, futures) -> Path:
    return lake_of(tmp_path / "lake", futures, "BTCUSDT")


def lake_of(folder: Path, futures: Futures, *symbols: str, days: int = 2) -> Path:
    """A lake whose futures exchange this is."""
    names = ", ".join(symbols)
    return lakes.make(
        folder,
        f"exchanges: [{{name: binance, symbols: [{names}], futures_url: '{futures.url}'}}]\n"
        f"derivatives: {{startup_backfill_days: {days}}}\n",
    )


def derivatives(folder: Path, *options: str) -> str:
    """What a run that succeeds says."""
    done = lakes.run(folder, "derivatives", *options)
    assert done.exit_code == 0, done.output
    return done.output


def failed(folder: Path, *options: str) -> str:
    """What a run says that fails."""
    done = lakes.run(folder, "derivatives", *options)
    assert done.exit_code == 1 and "Traceback" not in done.output
    return done.output


def times(folder: Path, relation: str, symbol: str = "BTCUSDT") -> list[int]:
    """When a symbol has rows, in ms."""
    column = "funding_time" if relation == "funding" else "measured_at"
    query = f"select epoch_ms({column}) from {relation} where symbol = '{symbol}' order by all"
    return [row[0] for row in lakes.ask(folder, query)]


def grid(days: int, step_ms: int, now_ms: int = NOW_MS) -> list[int]:
    """The times of a history that begins so many days ago, on the grid of its plan."""
    last = now_ms // step_ms * step_ms
    return list(range(last + step_ms - days * DAY_MS, last + 1, step_ms))


def raw(folder: Path, kind: str) -> list[dict]:
    """The raw answers of a kind, in the order of their files."""
    files = sorted((folder / "data" / "raw" / "binance" / "_rest" / kind).rglob("answers*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_a_first_run_fetches_both_histories_and_a_second_one_asks_for_nothing(folder, futures):
    output = derivatives(folder, "--days", "29")
    assert output.startswith("new rows: 87 of funding rates, 8,352 of open interest (1 symbols, ")
    assert times(folder, "open_interest") == grid(29, FIVE_MINUTES_MS)
    found = times(folder, "funding")
    assert len(found) == 87 and found[-1] == NOW_MS // (8 * HOUR_MS) * 8 * HOUR_MS
    asked = futures.of("openInterestHist")
    assert len(asked) == 17 and {query["limit"] for query in asked} == {"500"}
    wall = min(int(query["startTime"]) for query in asked)
    assert wall >= NOW_MS - 29 * DAY_MS
    [page] = futures.of("fundingRate")
    assert page["limit"] == "1000" and int(page["startTime"]) >= NOW_MS - 29 * DAY_MS
    before = len(futures.asked)
    assert derivatives(folder) == "nothing new (1 symbols, 0 requests)\n"
    assert len(futures.asked) == before


def test_a_later_run_asks_for_what_has_come_since(folder, futures):
    derivatives(folder)
    before = len(futures.asked)
    later_ms = NOW_MS + 6 * HOUR_MS
    futures.set_clock(later_ms // 1000)
    output = derivatives(folder)
    assert output.startswith("new rows: 1 of funding rates, 72 of open interest (1 symbols, 2 req")
    starts = [int(query["startTime"]) for _, query in futures.asked[before:]]
    assert min(starts) > NOW_MS - 10 * 60_000
    assert times(folder, "open_interest")[-1] == later_ms // FIVE_MINUTES_MS * FIVE_MINUTES_MS


def test_a_full_page_of_funding_rates_is_followed_by_the_next(tmp_path, futures):
    futures.funding_ms = 15 * 60_000
    folder = lake_of(tmp_path / "lake", futures, "BTCUSDT", days=29)
    assert derivatives(folder).startswith("new rows: 2,781 of funding rates")
    assert [len(one["body"]) for one in raw(folder, "funding_rate")] == [1000, 1000, 781]
    before = len(futures.asked)
    derivatives(folder)
    assert len(futures.asked) == before


def test_a_symbol_without_a_future_is_told_once_and_no_error(tmp_path, futures):
    folder = lake_of(tmp_path / "lake", futures, "NOPEUSDT", "SOLUSDT", "ABCUSDT")
    (folder / "config.yml").write_text(
        (folder / "config.yml").read_text().replace("WARNING", "INFO")
    )
    output = derivatives(folder)
    told = "there is no USD-M future of NOPEUSDT, ABCUSDT: nothing to fetch of it"
    assert output.count(told) == 1 and output.count("NOPEUSDT") == 1
    assert times(folder, "open_interest", "SOLUSDT") == grid(2, FIVE_MINUTES_MS)
    assert {query["symbol"] for query in futures.of("openInterestHist")} == {"SOLUSDT"}


def test_open_interest_that_is_gone_is_told(folder, futures):
    derivatives(folder)
    later_ms = NOW_MS + 40 * DAY_MS
    futures.set_clock(later_ms // 1000)
    output = derivatives(folder)
    lost = "open interest of BTCUSDT from 2025-10-20T12:05:00.001000Z to 2025-10-31T12:05:00Z"
    assert f"{lost} can no longer be had" in output
    assert "funding rates of" not in output.replace("of funding rates", "")
    assert times(folder, "funding")[-1] - times(folder, "funding")[0] > 40 * DAY_MS
    assert "can no longer" not in derivatives(folder)


REQUEST = {"symbol": "BTCUSDT", "startTime": 10, "endTime": 30, "limit": 3}
INTEREST = ("sumOpenInterest", "sumOpenInterestValue")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"rows": []}, "it is no list"),
        ([interest("BTCUSDT", 20), interest("BTCUSDT", 10)], "its rows are out of order"),
        ([interest("ETHUSDT", 10)], "it has rows of 'ETHUSDT'"),
        ([interest("BTCUSDT", 31)], "it has rows of another time"),
        ([interest("BTCUSDT", 9)], "it has rows of another time"),
        ([interest("BTCUSDT", 10, sumOpenInterest=None)], "its sumOpenInterest is no number: None"),
        (
            [interest("BTCUSDT", 10, sumOpenInterestValue="NaN")],
            "its sumOpenInterestValue is no nu",
        ),
        ([interest("BTCUSDT", 10)] * 4, "it has 4 rows, asked for were 3 at most"),
        ([{"symbol": "BTCUSDT"}], "not every row has its timestamp"),
        ([5], "not every row has its timestamp"),
        ([interest("BTCUSDT", 10), interest("BTCUSDT", 30, extra=1)], None),
        ([], None),
    ],
)
def test_a_page_is_what_was_asked_for(body, why):
    try:
        found = flaw(body, times_of(body, "timestamp"), REQUEST, INTEREST)
    except ValueError as error:
        found = str(error)
    assert found == why if why is None else found.startswith(why)


def test_a_page_that_cannot_be_is_asked_for_again_and_never_kept(folder, futures):
    def spoilt(path: str, query: dict) -> web.Response | None:
        if not path.endswith("openInterestHist") or query["symbol"] != "BTCUSDT":
            return None
        return web.json_response(json.loads(futures.answer(path, query).body)[::-1])

    futures.faults.append(spoilt)
    output = failed(folder, "--symbols", "BTCUSDT,SOLUSDT")
    assert "answers what cannot be used: its rows are out of order; nothing of it was" in output
    assert output.count("Error: ") == 1 and not times(folder, "open_interest")
    assert times(folder, "open_interest", "SOLUSDT") == grid(2, FIVE_MINUTES_MS)
    assert len(futures.of("openInterestHist")) == 3 + 2
    futures.faults.clear()
    derivatives(folder)
    assert times(folder, "open_interest") == grid(2, FIVE_MINUTES_MS)


def test_what_passes_is_waited_for(folder, futures):
    answers = iter(
        [
            web.Response(status=429, headers={"Retry-After": "20"}),
            web.Response(status=502, text="<html></html>"),
            web.Response(text="<html></html>", content_type="text/html"),
            refusal(-1008, "Server is currently overloaded.", 503),
        ]
    )
    futures.faults.append(lambda path, query: next(answers, None))
    output = derivatives(folder)
    assert "asks us to wait for 20 s" in output
    assert times(folder, "open_interest") == grid(2, FIVE_MINUTES_MS)


def test_another_refusal_fails_the_symbol_alone(folder, futures):
    futures.faults.append(
        lambda path, query: (
            refusal(-1130, "parameter 'startTime' is invalid.")
            if query["symbol"] == "BTCUSDT" and path.endswith("Hist")
            else None
        )
    )
    output = failed(folder, "--symbols", "BTCUSDT,SOLUSDT")
    assert "Error: BTCUSDT: " in output
    assert "parameter 'startTime' is invalid. (-1130)" in output
    assert times(folder, "open_interest", "SOLUSDT") == grid(2, FIVE_MINUTES_MS)
    assert times(folder, "funding")


def test_rows_of_two_kinds_of_funding_at_one_time_are_both_kept(folder, futures):
    special = funding("BTCUSDT", NOW_MS - HOUR_MS, rateType="Special", fundingRate="-0.0005")
    regular = funding("BTCUSDT", NOW_MS - HOUR_MS)
    futures.faults.append(
        lambda path, query: (
            web.json_response([regular, special]) if path.endswith("fundingRate") else None
        )
    )
    assert derivatives(folder).startswith("new rows: 2 of funding rates")
    assert times(folder, "funding") == [NOW_MS - HOUR_MS] * 2


def test_without_a_network_one_sentence_is_said(folder):
    code, output = run(folder, "derivatives", "--url", "http://127.0.0.1:9")
    assert code == 1 and "Traceback" not in output
    [sentence] = [line for line in output.splitlines() if "Error: " in line]
    assert sentence.startswith("Error: http://127.0.0.1:9/fapi/v1/time gave no usable answer")
    assert "look at the network" in sentence


def test_a_network_that_goes_away_leaves_what_was_fetched_built(folder, futures):
    third = iter(range(99))
    futures.faults.append(
        lambda path, query: web.Response(status=502) if next(third) >= 2 else None
    )
    output = failed(folder, "--days", "10")
    assert "openInterestHist gave no usable answer" in output
    assert len(times(folder, "open_interest")) == 499


@POSIX
@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.soak)],
)
def test_a_run_that_is_ended_is_done_by_the_next(folder, futures, number):
    hung = iter(range(3))

    def hang(path: str, query: dict):
        third = path.endswith("Hist") and next(hung, None) == 2
        return futures.hang() if third else None

    futures.faults.append(hang)
    process = start(folder, "derivatives", "--days", "10")
    assert futures.hanging.wait(120)
    process.send_signal(number)
    output = finish(process, 10)
    if number == signal.SIGKILL:
        [file] = (folder / "data/raw/binance/_rest/open_interest_5m").rglob("answers.jsonl")
        file.write_bytes(file.read_bytes()[:-500])
    else:
        assert process.returncode == 1, output
        assert output.splitlines()[-1].startswith("Error: stopped before it was done")
    futures.faults.clear()
    before = len(futures.of("openInterestHist"))
    derivatives(folder, "--days", "10")
    asked = len(futures.of("openInterestHist")) - before
    # kill -9 tore the second of two answers
    assert asked == 6 - (1 if number == signal.SIGKILL else 2)
    assert times(folder, "open_interest") == grid(10, FIVE_MINUTES_MS)


def test_what_the_command_takes_and_refuses(folder):
    told = lakes.run(folder, "derivatives", "--help")
    assert "lake derivatives --symbols BTCUSDT,ETHUSDT --days 29" in told.output
    for wrong in (("--symbols", ","), ("--days", "30"), ("--url", "ftp://x")):
        done = lakes.run(folder, "derivatives", *wrong)
        assert done.exit_code == 2 and wrong[0] in done.output
