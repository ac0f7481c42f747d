"""`lake repair` in trouble: right data or one sentence, and the next one does the rest."""

import asyncio
import json
import os
import re
import socket
import time
from collections import Counter

import lakes
import pytest
from aiohttp import web
from holed_lakes import TRADES, Holed, bars, ids, make, market, repair, tape
from raw_lines import session

from replay.rules import Rules
from replay.server import Exchange
from replay.symbols import LISTINGS
from runner.lock import hold

SYMBOL = "SOLUSDT"
SOURCE = market()
IDS = ids(SOURCE)
LOST = {*IDS[100:130], *IDS[1500:3700]}
HEALED = f"{len(LOST):,} ids were missing, {len(LOST):,} fetched, 0 left"
PASSING = ("429", "418", "500", "503", "reset", "truncated", "invalid", "html", "empty")
SPOILED = ("missing", "duplicated", "unsorted", "wrong_type")


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Holed:
    return Holed(tmp_path_factory.mktemp("holed"), SOURCE, LOST)


@pytest.fixture
def holed(example):
    """A built lake with holes."""
    return example.fresh()


@pytest.fixture
def whole(example):
    return example.whole


def sentence(result) -> str:
    """The one sentence of a failing command."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    (said,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    return said


SHORT = ("429", "missing")
OFTEN = [
    kind if kind in SHORT else pytest.param(kind, marks=pytest.mark.soak)
    for kind in (*PASSING, *SPOILED)
]


@pytest.mark.parametrize("kind", OFTEN)
def test_an_answer_that_is_bad_once_costs_nothing(holed, whole, kind):
    fault = f"rest=call:2,kind:{kind},path:historicalTrades,retry:3s"
    assert HEALED in repair(holed, SOURCE, faults=[fault]).said
    assert tape(holed) == [(SYMBOL, 0, 0, len(LOST), "complete")]
    assert bars(holed) == whole


STAYS = [pytest.param(kind, marks=pytest.mark.soak) for kind in ("html", "truncated", "wrong_type")]


@pytest.mark.parametrize("kind", ["500", "unsorted", *STAYS])
def test_answers_that_stay_bad_are_one_sentence_and_what_came_before_is_kept(holed, whole, kind):
    fault = f"rest=call:2,count:1000,kind:{kind},path:historicalTrades"
    done = repair(holed, SOURCE, faults=[fault])
    said = sentence(done.results[0])
    assert "http://127.0.0.1" in said
    assert f"{len(LOST):,} ids were missing, 30 fetched, 2,200 left" in done.results[0].output
    assert "2,200 ids were missing, 2,200 fetched, 0 left" in repair(holed, SOURCE).said
    assert bars(holed) == whole


def put(key, value):
    def change(rows, place):
        rows[place][key] = value

    return change


WRONG = {
    "a price that is none": (put("price", "NaN"), "price 'NaN'"),
    "a price with nine decimals": (put("price", "1.000000001"), "price '1.000000001'"),
    "a quantity below zero": (put("qty", "-1.00000000"), "quantity '-1.00000000'"),
    "a price as a number": (put("price", 187.2), "Expected `str`, got `float`"),
    "a time years off": (put("time", 1_860_972_100_000_000), "not near its neighbours'"),
    "a time in seconds": (put("time", 1_760_972_100), "not near its neighbours'"),
    "no side": (put("isBuyerMaker", None), "Expected `bool`, got `null`"),
    "an id twice": (
        lambda rows, place: rows.__setitem__(place, rows[place - 1]),
        "trade {0} after {0}",
    ),
    "an id from before": (
        lambda rows, place: rows[0].update(id=1),
        "trade 1, which was not asked for",
    ),
    "an error in place of rows": (
        lambda rows, place: rows.__setitem__(slice(None), ["nothing"]),
        "Expected `object`, got `str`",
    ),
    "more rows than asked for": (
        lambda rows, place: rows.extend(
            [rows[-1] | {"id": rows[-1]["id"] + n} for n in range(1, 1001)]
        ),
        "trades in one page",
    ),
}


def test_rows_that_cannot_be_are_named_and_not_taken_and_stop_no_other_symbol(tmp_path):
    *spoiled, sound = list(LISTINGS)[: len(WRONG) + 1]
    source = market(*spoiled, sound, duration_s=60)
    known = {symbol: ids(source, symbol) for symbol in source.symbols}
    changes = {symbol: change for symbol, (change, _) in zip(spoiled, WRONG.values(), strict=True)}

    def meddle(request: web.Request, number: int, body: bytes) -> web.Response | None:
        if request.path != TRADES or request.query["symbol"] == sound:
            return None
        rows, symbol = json.loads(body), request.query["symbol"]
        [place] = [place for place, row in enumerate(rows) if row["id"] == known[symbol][5]]
        changes[symbol](rows, place)
        return web.json_response(rows)

    lost = {trade_id for of in known.values() for trade_id in of[3:8]}
    folder = make(tmp_path / "lake", source, lost)
    lakes.bring(folder)
    done = repair(folder, source, meddle=meddle)
    said = " ".join(done.results[0].output.split())
    assert done.results[0].exit_code == 1 and "Traceback" not in said
    for symbol, (_, told) in zip(spoiled, WRONG.values(), strict=True):
        of = known[symbol]
        [sentence] = re.findall(
            rf"answers for {symbol} from id {of[2]} with what cannot be its trades .*?: nothing",
            said,
        )
        assert told.format(of[4]) in sentence, (told, sentence)
        assert f"{symbol}: 5 ids were missing, 0 fetched, 5 left" in said
    assert f"{sound}: 5 ids were missing, 5 fetched, 0 left" in said
    assert {path.parts[-3] for path in (folder / "data/raw").rglob("repair_*")} == {sound}
    assert {row[0] for row in tape(folder) if row[1]} == set(spoiled)


def test_without_network_it_is_one_sentence(holed):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = lakes.run(holed, "repair", "--rest-url", url)
    assert f"{url}/api/v3/time gave no usable answer" in sentence(result)
    assert not list((holed / "data/raw").rglob("repair_*"))


def test_two_repairs_at_once_are_one_repair_and_one_sentence(holed):
    with hold(holed / "data" / "repair.lock", "repairing this lake"):
        said = sentence(lakes.run(holed, "repair"))
    assert "Another process is already repairing this lake" in said


def test_a_lake_of_live_data_takes_nothing_from_a_replay(holed):
    lakes.put(holed, "_sessions", [session("start", 1_760_972_100_000_000, mode="live")])
    done = repair(holed, SOURCE)
    said = sentence(done.results[0])
    assert "holds live data" in said and "is a replay" in said
    assert not list((holed / "data/raw").rglob("repair_*")) and not done.pages()


def test_the_weight_of_a_minute_is_kept(tmp_path):
    lost = IDS[100:4100]
    folder = make(tmp_path / "lake", SOURCE, lost)

    async def main():
        async with Exchange(
            SOURCE, None, rest_only=True, rules=Rules(weight_per_minute=60)
        ) as exchange:
            where = ["--rest-url", exchange.rest_url]
            result = await asyncio.to_thread(lakes.run, folder, "repair", *where)
            return result, Counter(one.status for one in exchange.requests if one.path == TRADES)

    result, statuses = asyncio.run(main())
    assert "4,000 fetched, 0 left" in result.output
    assert statuses[200] == 5 and statuses.keys() <= {200, 429} and statuses[429] <= 5


@pytest.mark.skipif(os.name == "nt", reason="kill -9 of POSIX")
def test_a_repair_that_was_killed_leaves_nothing_half(holed, whole):
    async def main():
        fault = "rest=calls:1,kind:late,for:300ms,path:historicalTrades"
        async with Exchange(SOURCE, None, rest_only=True, faults=[fault]) as exchange:
            killed = lakes.process(
                *("repair", "--rest-url", exchange.rest_url, "--config", str(holed)),
                cwd=lakes.ROOT,
            )
            while not any(one.path == TRADES for one in exchange.requests):
                await asyncio.sleep(0.01)
            killed.kill()
            killed.communicate()

    asyncio.run(main())
    day = holed / "data/raw/binance" / SYMBOL / lakes.DAY
    (day / ".repair_14_5_9.jsonl.tmp").write_text('{"half')
    assert HEALED in repair(holed, SOURCE).said
    assert bars(holed) == whole
    assert not list((holed / "data/raw").rglob("*.tmp"))


def test_ctrl_c_ends_it_within_seconds_and_keeps_what_came(holed):
    async def main():
        fault = "rest=call:2,kind:silent,path:historicalTrades"
        async with Exchange(SOURCE, None, rest_only=True, faults=[fault]) as exchange:
            process = lakes.process(
                *("repair", "--rest-url", exchange.rest_url, "--config", str(holed)),
                cwd=lakes.ROOT,
            )
            while sum(one.path == TRADES for one in exchange.requests) < 1:
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            started = time.monotonic()
            process.terminate()
            output, errors = await asyncio.to_thread(process.communicate)
            return process.returncode, errors, time.monotonic() - started

    code, errors, seconds = asyncio.run(main())
    assert code == 1 and "stopped before it was done" in errors and seconds < 10
    (part,) = (holed / "data/raw").rglob("repair_*.jsonl")
    assert part.read_bytes().count(b"\n") == 30


def test_a_question_of_the_lakes_own_that_is_wrong_is_named(lake_folder):
    lakes.bring(lake_folder)
    own = lake_folder / "sql" / "repair" / "holed_symbols.sql"
    own.parent.mkdir(parents=True)
    own.write_text("-- A symbol.\n-- grain: symbol\nselect nosuch from tape_days\n")
    done = lakes.run(lake_folder, "repair")
    assert done.exit_code == 1 and f"Error: {own}" in done.output and '"nosuch"' in done.output
