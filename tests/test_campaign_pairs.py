"""Two at once on one lake: one waits, or says in one sentence who holds it; nothing is damaged."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lakes
import pytest
from campaign import Campaign
from killed_lake import SYMBOL, KilledLake

from replay.market import Market
from replay.server import Exchange

POSIX = pytest.mark.skipif(os.name == "nt", reason="kill -9 and signals of POSIX")
SURE = ("from bars_1s", "from trades", "from tape", "from newest_trade")


def command(lake: KilledLake, *arguments: str) -> subprocess.Popen:
    return lakes.process(*arguments, "--config", str(lake.folder))


def end(process: subprocess.Popen) -> tuple[int, str]:
    """How a process ended, and all it said."""
    output, errors = process.communicate(timeout=120)
    assert "Traceback" not in output + errors, errors
    return process.returncode, output + errors


def two_builds(lake: KilledLake, chance: random.Random, told: Campaign) -> None:
    """Both succeed; one of them does the work."""
    first = command(lake, "build")
    time.sleep(chance.random())
    ends = [end(command(lake, "build")), end(first)]
    assert [code for code, _ in ends] == [0, 0], ends
    told.saw("two builds: both done")


def a_build_after_a_killed_one(lake: KilledLake, chance: random.Random, told: Campaign) -> None:
    """A lock whose holder is dead holds nobody up."""
    first = command(lake, "build")
    time.sleep(chance.uniform(0.2, 2.5))
    first.kill()
    second = command(lake, "build")
    first.communicate()
    code, said = end(second)
    assert code == 0 and "already" not in said, said
    told.saw("a build right after one was killed: done")


def readers_beside_a_build(lake: KilledLake, chance: random.Random, told: Campaign) -> None:
    """`lake sql`, `lake ls` and a dry run answer old or new, with or without a catalog."""
    if chance.random() < 0.5:
        (lake.folder / "data" / "catalog.sql").unlink()
    builder = command(lake, "build")
    time.sleep(chance.random() * 1.5)
    query = f"select count(*) from ({chance.choice(SURE)})"
    asked = [
        command(lake, "sql", query, "--format", "csv"),
        command(lake, *chance.choice([("ls",), ("build", "--dry-run"), ("graph",)])),
    ]
    for process in asked:
        code, said = end(process)
        assert code == 0, said
        told.saw("readers beside a build: answered")
    assert end(builder)[0] == 0


PAIRS: list[Callable] = [two_builds, a_build_after_a_killed_one, readers_beside_a_build]


def meet(lake: KilledLake, pair: Callable, seed: int, told: Campaign) -> None:
    """One meeting of two, then a build that leaves the lake as if nobody had met."""
    lake.restore()
    pair(lake, random.Random(seed), told)
    lake.check_between()
    lakes.bring(lake.folder)
    lake.check_healed()


@POSIX
@pytest.mark.soak
def test_two_at_once_leave_the_lake_as_one_would(campaign, tmp_path):
    told, lake = campaign("two at once, some pairs", 2), KilledLake(tmp_path)
    for seed in told.seeds:
        meet(lake, PAIRS[seed % len(PAIRS)], seed, told)


@POSIX
@pytest.mark.soak
def test_two_at_once_leave_the_lake_as_one_would_in_many_rounds(campaign, tmp_path):
    told, lake = campaign("two at once, all pairs in turn", 100), KilledLake(tmp_path)
    for seed in told.seeds:
        meet(lake, PAIRS[seed % len(PAIRS)], seed, told)


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lake", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=lakes.ROOT,
    )


async def build_of(folder: Path) -> asyncio.subprocess.Process:
    return await started("build", "--config", str(folder))


async def collector(folder: Path, exchange: Exchange) -> asyncio.subprocess.Process:
    where = "--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url
    return await started("collect", "--symbols", SYMBOL, "--config", str(folder), *where)


async def collectors_beside_builds(folder: Path, chance: random.Random, told: Campaign) -> None:
    """Two collectors that start at about the same time, and builds beside them: one collector is
    refused in one sentence, the other one goes on and ends in order."""
    market = Market([SYMBOL], chance.randrange(99), duration_s=36_000.0)
    async with Exchange(market, speed=20.0) as exchange:
        first = await collector(folder, exchange)
        await asyncio.sleep(chance.random() * 0.5)
        pair = [first, await collector(folder, exchange)]
        ends = [asyncio.create_task(process.communicate()) for process in pair]
        done, _ = await asyncio.wait(ends, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        refused = ends.index(done.pop())
        said = ends[refused].result()[0].decode()
        other = pair[1 - refused]
        assert pair[refused].returncode == 1 and said.count("Error:") == 1, said
        assert f"already collecting into this lake (process {other.pid} since" in said, said
        told.saw("two collectors: one refused, with the other's id")
        for _ in range(2):
            builder = await build_of(folder)
            said = (await builder.communicate())[0].decode()
            assert builder.returncode == 0, said
            told.saw("builds beside a collector: done")
        other.send_signal(signal.SIGTERM)
        output = (await asyncio.wait_for(ends[1 - refused], 10))[0].decode()
        assert other.returncode == 0, output
    check_whole(folder)


def check_whole(folder: Path) -> None:
    """What is in the raw lines is in the lake, once."""
    lakes.bring(folder)
    assert not list((folder / "data/raw").rglob("*.open"))
    parts = (folder / "data/raw/binance" / SYMBOL).glob("*/*.jsonl")
    lines = sum(path.read_bytes().count(b'"stream":"trade"') for path in parts)
    query = "select count(*), count(distinct trade_id) from trades"
    [(rows, distinct)] = lakes.ask(folder, query)
    [(counted, duplicates)] = lakes.ask(folder, "select sum(count), sum(duplicates) from tape")
    assert rows == distinct == counted == lines - duplicates


async def recovery_beside_a_start(folder: Path, chance: random.Random, told: Campaign) -> None:
    """A build and a collector start where a collector was killed: both succeed."""
    market = Market([SYMBOL], chance.randrange(99), duration_s=36_000.0)
    async with Exchange(market, speed=20.0) as exchange:
        process = await collector(folder, exchange)
        await grown(folder)
        process.kill()
        await process.communicate()
        builder = await build_of(folder)
        await asyncio.sleep(chance.random() * 0.5)
        process = await collector(folder, exchange)
        said = (await builder.communicate())[0].decode()
        assert builder.returncode == 0, said
        await grown(folder)
        process.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0, output.decode()
        told.saw("a build that recovers beside a starting collector: both done")
    check_whole(folder)


async def grown(folder: Path) -> None:
    """Until more raw lines were written."""

    def size() -> int:
        found = list((folder / "data/raw/binance" / SYMBOL).glob("*/part_*.open"))
        return sum(path.stat().st_size for path in found if path.exists())

    before = size()
    async with asyncio.timeout(60):
        while size() in (0, before):
            await asyncio.sleep(0.02)


MEETINGS = [collectors_beside_builds, recovery_beside_a_start]


@POSIX
@pytest.mark.soak
def test_collectors_and_builds_at_once_lose_nothing(campaign, tmp_path):
    told = campaign("two at once, collectors and builds", 1)
    for seed in told.seeds:
        folder = lakes.make(tmp_path / f"{seed}")
        asyncio.run(MEETINGS[seed % 2](folder, random.Random(seed), told))


@POSIX
@pytest.mark.soak
def test_collectors_and_builds_at_once_lose_nothing_in_many_rounds(campaign, tmp_path):
    told = campaign("two at once, collectors and builds", 100)
    for seed in told.seeds:
        folder = lakes.make(tmp_path / f"{seed}")
        asyncio.run(MEETINGS[seed % 2](folder, random.Random(seed), told))


@pytest.mark.filterwarnings("ignore:nothing was built")
def test_who_asks_before_the_first_build_is_answered_though_a_build_clears_the_workshop(tmp_path):
    """The first questions make the files without rows that the views need, there."""
    lakes.make_two_days(tmp_path / "lake", ["SOLUSDT"])
    cleared = []

    def clear(event: str, arguments: tuple) -> None:
        """What a build that begins does, in the worst moment."""
        workshop = str(tmp_path / "lake" / "data" / "work" / "publishing")
        if event == "open" and not cleared and str(arguments[0]).startswith(workshop):
            cleared.append(arguments[0])
            Path(arguments[0]).unlink()

    sys.addaudithook(clear)
    assert lakes.ask(tmp_path / "lake", "select count(*) from trades") == [(0,)]
    assert cleared
