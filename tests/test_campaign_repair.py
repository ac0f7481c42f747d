"""The stream's losses are healed: after `lake repair` the tape is whole and the bars are those of
an undisturbed recording, whatever was lost, and also where the repairs are killed.

Short by default; long: `pytest -n 0 -m soak -s tests/test_campaign_repair.py --rounds 30`.
"""

import asyncio
import os
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import lakes
import pytest
import wire
from campaign import Campaign
from holed_lakes import Lacking
from loguru import logger

from replay.events import Trade
from replay.market import Market
from replay.server import Exchange

SYMBOLS = ("SOLUSDT", "XRPUSDT")
BEGIN = datetime(2025, 10, 20, 23, 20, tzinfo=UTC)
DURATION_S = 3600.0
OLD_US = 11 * 60_000_000
SPEED = 300.0
DROPS = 20
REST_FAULTS = (
    *("429", "418", "500", "502", "503", "reset", "truncated", "gzip", "invalid", "html"),
    *("empty", "missing", "duplicated", "unsorted", "wrong_type"),
)
BARS = "select epoch(window_start)::bigint as second, * exclude (window_start) from bars_1s"
TAPE = "select sum(missing), sum(repaired), sum(absent_upstream) from tape"
QUOTES = {"bid", "ask", "spread"}
MOST_REPAIRS = 6


@pytest.fixture(autouse=True)
def quiet_log():
    """A storm of faults is a storm of log lines."""
    logger.disable("ingest")
    yield
    logger.enable("ingest")


def losses(random: Random) -> list[str]:
    """Disconnects, stalls, silent gaps and messages that cannot be read."""
    drops = [f"drop=at:{random.uniform(30, DURATION_S - 300):.1f}s" for _ in range(DROPS)]
    return [
        *drops,
        f"stall=at:{random.randint(60, 900)}s,for:{random.randint(5, 90)}s",
        f"stall=at:{random.randint(1000, 2500)}s,stream:trade",
        f"gap=random:{random.randint(60, 400)}s,count:{random.randint(1, 9)}",
        f"gap=at:{random.randint(60, 2900)}s,count:{random.randint(100, 1500)},symbol:SOLUSDT",
        f"malformed=random:{random.randint(60, 400)}s,count:{random.randint(1, 9)}",
    ]


def market(seed: int) -> Market:
    """A market whose exchange lacks some ids, all of them old at its end."""
    source, random = Market(SYMBOLS, seed, BEGIN, DURATION_S, busy=0.2), Random(f"lacks {seed}")
    trades = [event for event in source if type(event) is Trade]
    end_us = trades[-1].trade_us
    old = [event.trade_id for event in trades if event.trade_us < end_us - OLD_US]
    begins = random.sample(old[20:], random.randint(0, 5))
    return Lacking(source, [first + n for first in begins for n in range(random.randint(1, 4))])


async def recorded(folder: Path, exchange: Exchange) -> None:
    here = wire.lake(folder, backoff_s=10)
    await wire.collect(here, exchange, within_s=200, symbols=list(SYMBOLS))


async def repaired(folder: Path, exchange: Exchange) -> str:
    where = ["--rest-url", exchange.rest_url, "--archive-url", exchange.rest_url]
    result = await asyncio.to_thread(lakes.run, folder, "repair", *where)
    assert result.exit_code == 0 or "Error: http://127.0.0.1" in result.output, result.output
    assert "Traceback" not in result.output
    return result.output


def undisturbed(folder: Path, seed: int) -> dict:
    """The bars of a recording in which nothing went wrong, but for what the exchange lacks."""

    async def main() -> None:
        async with Exchange(market(seed), None, stay=True) as exchange:
            await recorded(folder, exchange)
            await repaired(folder, exchange)

    asyncio.run(main())
    return bars(folder)


def disturbed(folder: Path, seed: int, run: Campaign) -> None:
    """A recording that lost much, and repairs until nothing is missing."""
    random = Random(seed)
    faults = losses(random)
    kinds = random.sample(REST_FAULTS, 3)
    faults += [f"rest=share:4%,kind:{kind},path:historicalTrades,retry:5s" for kind in kinds]

    async def main() -> None:
        async with Exchange(market(seed), SPEED, faults, seed=seed, stay=True) as exchange:
            await recorded(folder, exchange)
            for _ in range(random.randint(0, 3) if os.name != "nt" else 0):
                await killed(folder, exchange, random, run)
            for _ in range(MOST_REPAIRS):
                said = await repaired(folder, exchange)
                run.saw("repairs")
                run.saw("repairs stopped by odd answers", "Error: " in said)
                if said == "nothing is missing\n":
                    break
            before = len(exchange.requests)
            assert await repaired(folder, exchange) == "nothing is missing\n"
            assert len(exchange.requests) == before
            run.saw("pages asked for", sum("historical" in one.path for one in exchange.requests))

    asyncio.run(main())


async def killed(folder: Path, exchange: Exchange, random: Random, run: Campaign) -> None:
    """kill -9 of a repair at some moment."""
    where = ["--rest-url", exchange.rest_url, "--config", str(folder)]
    process = lakes.process("repair", *where, cwd=lakes.ROOT)
    try:
        await asyncio.to_thread(process.wait, random.uniform(1.0, 9.0))
        run.saw("repairs that ended before they were killed")
    except subprocess.TimeoutExpired:
        process.kill()
        run.saw("repairs killed")
    process.communicate()


def bars(folder: Path) -> dict:
    """(symbol, second) → its columns by name."""
    with lakes.lake.connect(folder) as con:
        found = con.execute(BARS)
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {(row["symbol"], row["second"]): row for row in rows}


def check(folder: Path, truth: dict, run: Campaign) -> None:
    """Nothing is missing; every bar is the undisturbed one's but for its quote, and but for the
    first and last known second of a symbol, whose neighbours nobody knows.
    """
    [(missing, repaired, absent)] = lakes.ask(folder, TAPE)
    assert missing == 0
    found, edges = bars(folder), Counter()
    for key, bar in found.items():
        differ = {name for name, value in truth[key].items() if bar[name] != value}
        if differ - QUOTES and bar["state"] == "partial":
            edges[key[0]] += 1
            continue
        assert not differ - QUOTES, f"{key}: {bar} instead of {truth[key]}"
        assert not differ or bar["bid"] is None or truth[key]["bid"] is not None
        lost = bar["bid"] is None and truth[key]["bid"] is not None
        run.saw("seconds without a quote, in outages of the stream", lost)
        run.saw("seconds with another quote than the last", bool(differ) and not lost)
    assert len(found) > 0.8 * len(truth) and all(count <= 2 for count in edges.values()), edges
    run.saw("seconds compared, equal but for quotes", len(found) - sum(edges.values()))
    run.saw("ids repaired", repaired)
    run.saw("ids absent at the exchange", absent)


def heal_all(folder: Path, run: Campaign) -> None:
    for seed in run.seeds:
        run.saw("rounds")
        truth = undisturbed(folder / f"whole_{seed}", seed)
        disturbed(folder / f"lake_{seed}", seed, run)
        check(folder / f"lake_{seed}", truth, run)
        assert lakes.dry(folder / f"lake_{seed}") == []


def test_the_losses_of_a_stream_are_healed(tmp_path, campaign):
    heal_all(tmp_path, campaign("streams healed", 1))


@pytest.mark.soak
def test_the_losses_of_many_streams_are_healed(tmp_path, campaign):
    heal_all(tmp_path, campaign("streams healed, many", 30))
