"""`lake backfill` killed again and again, spoiled answers, and the whole of the usual 180 days."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import lakes
import pytest
from aiohttp import web
from backfills import DAY_US, KLINES, backfill, market, since, stored, truth
from campaign import Campaign
from served import Served

from replay.market import Market
from replay.server import Exchange
from replay.symbols import LISTINGS
from runner.moments import microseconds

TODAY_US = microseconds("2025-10-20")
SYMBOLS = ("SOLUSDT", "XLMUSDT", "BTCUSDT")
Page = tuple[str, int]


class KilledBackfill:
    """Kills of the backfill of one lake, at moments chosen by `seed`."""

    def __init__(self, folder: Path, days: int, seed: int, told: Campaign) -> None:
        self.chance, self.told, self.days = random.Random(seed), told, days
        self.folder = lakes.make(folder)
        self.exchange = Exchange(market(*SYMBOLS), None, rest_only=True, history_days=days)

    async def run(self, kills: int) -> None:
        """So many runs that are killed, and one to the end; then nothing may be left to do."""
        pages = -(-self.days * 1440 // 1000) * len(SYMBOLS)
        with lakes.knowing(self.folder):
            await self._run(kills, pages)

    async def _run(self, kills: int, pages: int) -> None:
        async with self.exchange:
            for number in range(kills):
                await self._killed(pages // kills * (number + 1))
            await self._whole()
            asked = len(self.exchange.requests)
            assert "nothing to do" in await self._whole()
            assert len(self.exchange.requests) == asked + 1, "the time, and nothing else"
            self._check()

    async def _start(self) -> asyncio.subprocess.Process:
        url = self.exchange.rest_url
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lake", "backfill", "--rest-url", url),
            *("--symbols", ",".join(SYMBOLS), "--days", str(self.days)),
            *("--config", str(self.folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=lakes.ROOT,
        )

    async def _killed(self, about: int) -> None:
        """Kill a run when about so many pages were asked for in all, or a moment after that."""
        before, asked = self._kept(), len(self._asked())
        process = await self._start()
        until = self.chance.randint(min(asked + 1, about), max(asked + 1, about))
        while len(self._asked()) < until and process.returncode is None:
            await asyncio.sleep(0.001)
        if self.chance.random() < 0.2:  # while it builds, perhaps
            await asyncio.sleep(self.chance.random())
        if process.returncode is None:
            process.kill()
            self.told.saw("backfills killed")
        await process.wait()
        self._check_kept(before, asked)

    async def _whole(self) -> str:
        before, asked = self._kept(), len(self._asked())
        process = await self._start()
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        self._check_kept(before, asked)
        return output.decode()

    def _asked(self) -> list[Page]:
        return [
            (one.query["symbol"], int(one.query["startTime"]))
            for one in self.exchange.requests
            if one.path == KLINES
        ]

    def _kept(self) -> list[Page]:
        """The pages on disk, each as often as it is there; a torn last line is none."""
        pages = []
        for file in (self.folder / "data/raw/binance/_rest").rglob("answers*.jsonl"):
            for line in file.read_bytes().split(b"\n")[:-1]:
                request = json.loads(line)["request"]
                pages.append((request["symbol"], request["startTime"]))
        return pages

    def _check_kept(self, before: list[Page], asked: int) -> None:
        """No page is lost, none is there twice, none that was there was asked for again."""
        after = self._kept()
        assert set(before) <= set(after) and len(after) == len(set(after))
        assert not set(self._asked()[asked:]) & set(before)
        self.told.saw("pages kept", len(after) - len(before))

    def _check(self) -> None:
        """Every candle is there, exact; what was asked for is what is needed, and what was under
        way when a run was killed.
        """
        for symbol, rows in truth(self.exchange).items():
            assert stored(self.folder, symbol) == since(rows, TODAY_US - self.days * DAY_US)
        asked, kept = self._asked(), self._kept()
        assert {one.status for one in self.exchange.requests} <= {0, 200}
        self.told.saw("pages asked for", len(asked))
        self.told.saw("pages asked for again, after a kill on their way", len(asked) - len(kept))


def test_killed_six_times_nothing_is_lost_nothing_twice_and_no_page_is_fetched_again(
    tmp_path, campaign
):
    told = campaign("backfills killed", rounds=1)
    for seed in told.seeds:
        killed = KilledBackfill(tmp_path / str(seed), 20, seed, told)
        asyncio.run(killed.run(6))
    assert told.seen["backfills killed"] >= 3 * told.rounds


@pytest.mark.soak
def test_the_usual_180_days_killed_ten_times(tmp_path, campaign):
    told = campaign("backfills of 180 days killed", rounds=3)
    for seed in told.seeds:
        killed = KilledBackfill(tmp_path / str(seed), 180, seed, told)
        asyncio.run(killed.run(10))


@pytest.mark.soak
def test_all_symbols_of_180_days_within_the_weight_of_the_real_minute(tmp_path, campaign):
    """At the real pace: 6,000 of weight a minute, which no call may exceed."""
    told = campaign("180 days of all symbols", rounds=1)
    source = Market(LISTINGS, 3, duration_s=60, busy=0.05)
    folder = lakes.make(tmp_path / "lake")

    async def main() -> None:
        async with Exchange(source, 1.0, rest_only=True, history_days=181) as exchange:
            url = exchange.rest_url
            chosen = ["--rest-url", url, "--symbols", ",".join(LISTINGS), "--days", "180"]
            began = time.monotonic()
            result = await asyncio.to_thread(lakes.run, folder, "backfill", *chosen)
            told.saw("seconds", round(time.monotonic() - began))
            assert result.exit_code == 0, result.output
            assert {one.status for one in exchange.requests} == {200}
            pages = [one for one in exchange.requests if one.path == KLINES]
            told.saw("pages asked for", len(pages))
            for symbol, rows in truth(exchange).items():
                kept = stored(folder, symbol)
                assert kept == since(rows, kept[0][0]) and len(kept) > 180 * 1440
                told.saw("candles", len(kept))
                told.saw("pages that are the least", -(-len(kept) // 1000))

    asyncio.run(main())


class Pages(Served):
    """A host of 1-second klines as quick and as far away as the exchange is, with its limit.

    `weights`: what was asked for in each minute of the wall clock.
    """

    LIMIT, WEIGHT, WITHIN_S = 6000, 2, (0.05, 0.25)

    def __init__(self) -> None:
        super().__init__()
        self.weights: Counter[int] = Counter()
        self.refused = 0

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v3/time", self._time)
        app.router.add_get(KLINES, self._page)

    async def _time(self, request: web.Request) -> web.Response:
        return web.json_response({"serverTime": time.time_ns() // 1000})

    async def _page(self, request: web.Request) -> web.Response:
        minute = int(time.time() // 60)
        self.weights[minute] += self.WEIGHT
        headers = {"X-MBX-USED-WEIGHT-1M": str(self.weights[minute])}
        if self.weights[minute] > self.LIMIT:
            self.refused += 1
            return web.Response(status=429, headers=headers | {"Retry-After": "5"})
        await asyncio.sleep(random.uniform(*self.WITHIN_S))
        asked = {key: int(request.query[key]) for key in ("startTime", "endTime", "limit")}
        opens = range(asked["startTime"], asked["endTime"] + 1, 1000)[: asked["limit"]]
        rows = [f'[{ms},"1","1","1","1","2",{ms + 999},"2",1,"1","1","0"]' for ms in opens]
        return web.Response(text=f"[{','.join(rows)}]", headers=headers)


@pytest.mark.soak
def test_seconds_of_all_symbols_meet_the_limit_of_the_real_minute_and_never_pass_it(
    tmp_path, campaign
):
    """Four days of seconds are more than two minutes' weight, at the exchange's latencies."""
    told = campaign("seconds of all symbols, real minutes", rounds=1)
    folder = lakes.make(tmp_path / "lake")
    chosen = ["--interval", "1s", "--symbols", ",".join(LISTINGS)]
    with Pages() as exchange:
        began = time.monotonic()
        result = lakes.run(
            *(folder, "backfill", "--rest-url", exchange.url, *chosen),
            *("--start", "2025-10-16", "--end", "2025-10-20"),
        )
        told.saw("seconds, with the build", round(time.monotonic() - began))
    assert result.exit_code == 0, result.output
    told.saw(result.output.strip().splitlines()[0])
    for number, weight in enumerate(exchange.weights.values(), 1):
        told.saw(f"weight of minute {number}", weight)
    assert exchange.refused == 0 and max(exchange.weights.values()) <= Pages.LIMIT
    assert sum(exchange.weights.values()) > 2 * Pages.LIMIT
    [(count, seconds)] = lakes.ask(folder, "select count(*), count(distinct open_time) from klines")
    assert seconds == 4 * 86_400 and count == seconds * len(LISTINGS)
    told.saw("candles", count)


# What an answer may be spoiled by; those of HTTP itself have their own tests.
SPOILED = ("429", "403", "missing", "unsorted")
RARELY = ("duplicated", "wrong_type")
RARELY += ("500", "502", "503", "504", "reset", "truncated", "gzip", "invalid", "html", "empty")
RARELY += ("slow", "418", "451")


@pytest.mark.parametrize(
    "kind", [*SPOILED, *(pytest.param(kind, marks=pytest.mark.soak) for kind in RARELY)]
)
def test_after_a_spoiled_answer_the_data_are_right_or_one_sentence_says_why_not(
    tmp_path, kind, campaign
):
    told = campaign(f"answers spoiled: {kind}", rounds=1)
    for seed in told.seeds:
        chance, folder = random.Random(seed), lakes.make(tmp_path / str(seed))
        more = {"slow": ",for:100ms", "429": ",retry:20s", "418": ",retry:120s"}.get(kind, "")
        when = chance.choice(["call:1", "call:3", "calls:4", "share:30%"])
        fault = f"rest=kind:{kind},path:klines,{when}{more}"
        spoiled = backfill(
            folder, market("SOLUSDT"), "--days", "4", history_days=5, faults=[fault], seed=seed
        )
        (result,) = spoiled.results
        rows = stored(folder, "SOLUSDT")
        expected = since(spoiled.truth["SOLUSDT"], TODAY_US - 4 * DAY_US)
        assert set(rows) <= set(expected), "only what the exchange really has"
        assert result.exit_code in (0, 1) and "Traceback" not in result.output
        if result.exit_code == 0:
            assert rows == expected, result.output
            told.saw("right at once")
            continue
        (sentence,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
        told.saw(f"told: {sentence.partition('(')[2].partition(')')[0] or sentence[:60]}")
        good = backfill(folder, market("SOLUSDT"), "--days", "4", history_days=5)
        assert good.results[0].exit_code == 0, good.results[0].output
        assert stored(folder, "SOLUSDT") == expected
