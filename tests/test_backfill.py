"""`lake backfill` over REST: complete, exact, with the fewest requests, and never twice."""

import asyncio
import json
import shutil
import signal
import sys

import lakes
import pytest
from backfills import DAY_US, KLINES, MINUTE_US, backfill, market, process, since, stored

from replay.server import Exchange
from runner.lock import hold
from runner.moments import iso, microseconds

TODAY_US = microseconds("2025-10-20")
# The recording ends at 00:09:30: the candle of 00:09 is open.
LAST_US = TODAY_US + 8 * MINUTE_US
SYMBOLS = ("SOLUSDT", "XLMUSDT")


def test_the_klines_are_the_exchanges_to_the_last_digit_and_a_second_run_asks_for_none(lake_folder):
    done = backfill(lake_folder, market(), "--days", "2", times=2, history_days=4)
    first, second = done.results
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    for symbol in SYMBOLS:
        rows = stored(lake_folder, symbol)
        assert rows == since(done.truth[symbol], TODAY_US - 2 * DAY_US)
        assert len(rows) == 2 * 1440 + 9 and rows[-1][0] == LAST_US
    pages = done.pages()
    assert len(pages) == 2 * 3 == len({(one["symbol"], one["startTime"]) for one in pages})
    assert "fetched in 6 requests (6 is the least)" in first.output
    assert done.pages(1) == [] and "nothing to do" in second.output
    assert [one.path for one in done.asked[1]] == ["/api/v3/time"]


def test_the_candle_that_is_open_comes_once_it_has_closed(lake_folder):
    backfill(lake_folder, market("SOLUSDT"), "--days", "1", history_days=2)
    assert stored(lake_folder, "SOLUSDT")[-1][0] == LAST_US
    later = backfill(lake_folder, market("SOLUSDT", seconds=210), "--days", "1", history_days=2)
    assert stored(lake_folder, "SOLUSDT")[-1][0] == LAST_US + MINUTE_US
    assert stored(lake_folder, "SOLUSDT") == since(later.truth["SOLUSDT"], TODAY_US - DAY_US)
    assert [int(one["startTime"]) for one in later.pages()] == [(LAST_US + MINUTE_US) // 1000]


@pytest.mark.parametrize("skew_s", [-90, pytest.param(90, marks=pytest.mark.soak)])
def test_a_clock_that_is_wrong_lets_no_open_candle_in_and_no_hole(lake_folder, skew_s):
    source = market("SOLUSDT", skew_us=skew_s * 1_000_000)
    for _ in range(2):
        done = backfill(lake_folder, source, "--days", "1", history_days=2)
        assert done.results[0].exit_code == 0, done.results[0].output
        rows = stored(lake_folder, "SOLUSDT")
        assert rows == since(done.truth["SOLUSDT"], TODAY_US - DAY_US, rows[-1][0] + 1)
        assert rows[-1][0] == LAST_US - (2 * MINUTE_US if skew_s < 0 else 0)


def test_where_the_market_stood_still_is_told_and_not_asked_for_again(lake_folder):
    halt = (TODAY_US - 600 * MINUTE_US, TODAY_US - 420 * MINUTE_US)
    done = backfill(
        lake_folder, market("SOLUSDT"), "--days", "2", times=2, history_days=3, halts=[halt]
    )
    rows = stored(lake_folder, "SOLUSDT")
    assert rows == since(done.truth["SOLUSDT"], TODAY_US - 2 * DAY_US)
    assert len(rows) == 2 * 1440 + 9 - 180
    assert len(done.pages()) == 4, "three pages, and the one with the halt again"
    assert done.pages(1) == []
    told = "SOLUSDT 2025-10-19T14:00:00Z to 2025-10-19T17:00:00Z (180)"
    assert all(told in result.output for result in done.results)


def test_the_years_before_a_symbol_was_listed_cost_two_requests(lake_folder):
    done = backfill(lake_folder, market("SOLUSDT"), "--days", "900", times=2, history_days=2)
    assert done.results[0].exit_code == 0, done.results[0].output
    assert stored(lake_folder, "SOLUSDT") == done.truth["SOLUSDT"]
    assert len(done.pages()) == 2 + 2, "the first page twice, as it lacks candles, then the others"
    assert "is the least" in done.results[0].output and done.pages(1) == []
    listed = iso(done.truth["SOLUSDT"][0][0])
    assert f"SOLUSDT 2023-05-04T00:00:00Z to {listed}" in done.results[1].output


def test_a_range_is_fetched_alone_and_a_longer_one_asks_only_for_the_rest(lake_folder):
    source, wanted = market("SOLUSDT"), ("--start", "2025-10-18T06:00:00Z")
    part = ("--start", "2025-10-18T12:00:30Z", "--end", "2025-10-18T18:00")
    first = backfill(lake_folder, source, *part, history_days=4)
    from_us = microseconds("2025-10-18T12:01Z")
    to_us = microseconds("2025-10-18T18:00Z")
    assert stored(lake_folder, "SOLUSDT") == since(first.truth["SOLUSDT"], from_us, to_us)
    assert len(first.pages()) == 1
    second = backfill(lake_folder, source, *wanted, history_days=4)
    begin_us = microseconds("2025-10-18T06:00Z")
    assert stored(lake_folder, "SOLUSDT") == since(second.truth["SOLUSDT"], begin_us)
    spans = [(int(one["startTime"]), int(one["endTime"])) for one in second.pages()]
    assert all(end < from_us // 1000 or start >= to_us // 1000 for start, end in spans)


def test_seconds_are_fetched_beside_minutes(lake_folder):
    source = market("SOLUSDT")
    part = ("--start", "2025-10-19T22:00:00Z", "--end", "2025-10-19T23:00:00Z")
    done = backfill(lake_folder, source, *part, interval="1s", history_days=1)
    backfill(lake_folder, source, *part, history_days=1)
    from_us, to_us = microseconds("2025-10-19T22:00Z"), microseconds("2025-10-19T23:00Z")
    expected = since(done.truth["SOLUSDT"], from_us, to_us)
    assert stored(lake_folder, "SOLUSDT", "1s") == expected and len(expected) == 3600
    assert len(stored(lake_folder, "SOLUSDT")) == 60 and len(done.pages()) == 4


def test_testing_mode_takes_its_own_days(tmp_path):
    folder = lakes.make(tmp_path / "lake", "testing: {enabled: true}\n")
    done = backfill(folder, market("SOLUSDT"), history_days=5)
    assert stored(folder, "SOLUSDT") == since(done.truth["SOLUSDT"], TODAY_US - 3 * DAY_US)


def test_a_symbol_that_does_not_exist_is_told_and_the_others_are_fetched(lake_folder):
    chosen = ("--symbols", "SOLUSD,SOLUSDT", "--days", "2")
    done = backfill(lake_folder, market(), *chosen, history_days=2)
    (result,) = done.results
    assert result.exit_code == 1
    assert "Error: the exchange has no symbol SOLUSD (did you mean SOLUSDT" in result.output
    assert stored(lake_folder, "SOLUSDT") == since(done.truth["SOLUSDT"], TODAY_US - 2 * DAY_US)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--start", "2025-10-19", "--end", "2025-10-19"), 2, "--start must lie before --end"),
        (("--start", "2025-10-21"), 1, "no whole candle lies between 2025-10-21T00:00:00Z and"),
        (("--days", "0"), 2, "backfill.days: expected whole days, 1 or more"),
        (("--interval", "1h"), 2, "backfill.interval: expected 1m or 1s"),
        (("--start", "yesterday"), 2, "'yesterday' is no time"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(lake_folder, arguments, code, told):
    (result,) = backfill(lake_folder, market("SOLUSDT"), *arguments).results
    assert result.exit_code == code and told in " ".join(result.output.split()), result.output
    assert not list((lake_folder / "data").rglob("answers*"))


def test_a_replays_klines_do_not_come_among_live_data(lake_folder):
    lakes.put(lake_folder, "_sessions", lakes.sessions(lakes.NOON, lakes.NOON + 1, ["SOLUSDT"]))
    (result,) = backfill(lake_folder, market("SOLUSDT")).results
    assert result.exit_code == 1 and "holds live data" in result.output


def test_one_backfill_a_lake(lake_folder):
    with hold(lake_folder / "data" / "backfill.lock", "backfilling this lake"):
        (result,) = backfill(lake_folder, market("SOLUSDT")).results
    assert result.exit_code == 1
    assert "Another process is already backfilling this lake" in result.output


def test_without_a_network_it_says_so_in_one_sentence(lake_folder):
    nowhere = "http://127.0.0.1:9"
    result = lakes.run(lake_folder, "backfill", "--rest-url", nowhere)
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert result.output.startswith(f"Error: {nowhere}/api/v3/time gave no usable answer")


@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.soak)])
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
def test_ctrl_c_ends_it_at_once_though_the_exchange_is_silent(lake_folder, name):
    async def main() -> tuple[int, str]:
        silent = ["rest=kind:silent,calls:1,path:klines"]
        knobs = {"rest_only": True, "history_days": 2, "faults": silent}
        async with Exchange(market("SOLUSDT"), None, **knobs) as exchange:
            running = await asyncio.to_thread(
                process, lake_folder, exchange.rest_url, "--days", "1"
            )
            while KLINES not in {one.path for one in exchange.requests}:
                await asyncio.sleep(0.01)
            running.send_signal(getattr(signal, name))
            output, _ = await asyncio.to_thread(running.communicate, timeout=10)
            return running.returncode, output

    code, output = asyncio.run(main())
    assert code == 1 and "Error: stopped before it was done" in output and "Traceback" not in output


def test_a_candle_that_the_exchange_did_not_have_yet_is_asked_for_again(lake_folder):
    backfill(lake_folder, market("SOLUSDT"), "--days", "1", history_days=2)
    whole = stored(lake_folder, "SOLUSDT")
    (file,) = (lake_folder / "data/raw/binance/_rest/klines_1m/SOLUSDT").rglob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    newest = max(lines, key=lambda line: line["request"]["startTime"])
    assert newest["body"].pop()[0] == LAST_US  # its database was late by this one
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for made in ("backfill", "work"):
        shutil.rmtree(lake_folder / "data" / made)
    done = backfill(lake_folder, market("SOLUSDT"), "--days", "1", history_days=2)
    assert [int(one["startTime"]) for one in done.pages()] == [LAST_US // 1000]
    assert "has no candles" not in done.results[0].output
    assert stored(lake_folder, "SOLUSDT") == whole


def test_torn_and_strange_lines_among_the_answers_count_for_nothing(lake_folder):
    source = market("SOLUSDT")
    backfill(lake_folder, source, "--days", "1", history_days=2)
    whole = stored(lake_folder, "SOLUSDT")
    (file,) = (lake_folder / "data/raw/binance/_rest/klines_1m/SOLUSDT").rglob("*.jsonl")
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([b"{}", b"no JSON", b"[1]", *lines[1:-1], lines[0][:-70_000]]))
    done = backfill(lake_folder, source, "--days", "1", history_days=2)
    assert done.results[0].exit_code == 0, done.results[0].output
    assert len(done.pages()) == 1 and stored(lake_folder, "SOLUSDT") == whole
