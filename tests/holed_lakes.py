"""Lakes that lack some trades of a market, the exchange that has them, and what a repair must give.

The exchange is a replay whose recording is over; between it and the client a test may put a
`Meddler`, which spoils answers on their way.
"""

import asyncio
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import aiohttp
import lakes
from aiohttp import web
from click.testing import Result

from replay.events import Event, Trade
from replay.market import Market
from replay.server import Exchange

TRADES = "/api/v3/historicalTrades"
EXACT = "select * exclude (bid, ask, spread) from bars_1s order by symbol, window_start"
TAPE = "select symbol, missing, absent_upstream, repaired, verdict from tape order by symbol, day"

Meddling = Callable[[web.Request, int, bytes], web.Response | None]


class Lacking(Market):
    """A market without some trades: ids that the exchange itself lacks."""

    def __init__(self, market: Market, lacks: Iterable[int]) -> None:
        self.__dict__.update(market.__dict__)
        self._market, self._lacks = market, frozenset(lacks)

    def __iter__(self) -> Iterator[Event]:
        for event in self._market:
            if not (type(event) is Trade and event.trade_id in self._lacks):
                yield event


def market(
    *symbols: str,
    start: str = "2025-10-20T14:55:00",
    seed: int = 7,
    duration_s: float = 1500,
    busy: float = 0.3,
) -> Market:
    """A market of which twenty minutes and more are old enough to be lacking for good."""
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
    return Market(symbols or ("SOLUSDT",), seed, moment, duration_s, busy=busy)


def ids(source: Market, symbol: str = "SOLUSDT") -> list[int]:
    return [event.trade_id for event in source if type(event) is Trade and event.symbol == symbol]


def make(folder: Path, source: Market, lost: Iterable[int] = (), config: str = "") -> Path:
    """A lake with the raw lines of a market but for the lost trades, not built yet."""
    lakes.make(folder, config)
    lost, rows = frozenset(lost), defaultdict(list)
    for event in source:
        if type(event) is not Trade:
            own = {"bid_qty": event.bid_qty, "ask_qty": event.ask_qty, "ts_recv": event.recv_us}
            quote = lakes.quote(event.symbol, event.update_id, event.recv_us, event.bid, event.ask)
            rows[event.symbol].append(quote | own)
        elif event.trade_id not in lost:
            rows[event.symbol].append(_line(event))
    for symbol, lines in rows.items():
        lakes.put(folder, symbol, lines)
    return folder


def _line(event: Trade) -> dict:
    side = "sell" if event.buyer_is_maker else "buy"
    own = {"side": side, "ts_recv": event.recv_us, "event_time": event.event_us}
    trade = lakes.trade(event.symbol, event.trade_id, event.trade_us, event.price, event.qty)
    return trade | own


class Holed:
    """A built lake that lacks some trades of a market, and one that lacks none.

    A test that changes it begins with `fresh()`. It stays where it was built: elsewhere the next
    command would look at everything anew.
    """

    def __init__(self, folder: Path, source: Market, lost: Iterable[int]) -> None:
        self._kept, self._place = folder / "kept", folder / "lake"
        self._whole, self.source, self._lost = folder / "whole", source, lost

    @cached_property
    def whole(self) -> list[tuple]:
        """The bars of the lake that lacks nothing."""
        lakes.bring(make(self._whole, self.source))
        return bars(self._whole)

    def fresh(self) -> Path:
        """The lake with the holes, as it was built."""
        if not self._kept.exists():
            lakes.bring(make(self._place, self.source, self._lost))
            shutil.copytree(self._place, self._kept)
        else:
            shutil.rmtree(self._place)
            shutil.copytree(self._kept, self._place)
        return self._place


@dataclass
class Repairs:
    """Repairs of a lake, one after another: what each said, and what it asked, by path."""

    results: list[Result]
    asked: list[list[tuple[str, dict]]]

    @property
    def said(self) -> str:
        """The output of the only repair, which went well."""
        (result,) = self.results
        assert result.exit_code == 0, result.output
        return result.output

    def pages(self, number: int = 0) -> list[int]:
        """From which ids the pages of a repair were asked for."""
        return [int(query["fromId"]) for path, query in self.asked[number] if path == TRADES]


def repair(
    folder: Path,
    source: Market,
    *arguments: str,
    times: int = 1,
    meddle: Meddling | None = None,
    between: Callable[[], object] = lambda: None,
    **knobs,
) -> Repairs:
    """Run `lake repair` against the market's exchange; `between`: called before each but the first.

    `meddle`: see Meddler; `knobs`: of the exchange.
    """
    done = Repairs([], [])

    async def main() -> None:
        async with AsyncExitStack() as stack:
            exchange = await stack.enter_async_context(
                Exchange(source, None, rest_only=True, **knobs)
            )
            url = exchange.rest_url
            if meddle:
                url = (await stack.enter_async_context(Meddler(exchange.rest_url, meddle))).url
            where = ["--rest-url", url]
            for number in range(times):
                if number:
                    between()
                before = len(exchange.requests)
                run = asyncio.to_thread(lakes.run, folder, "repair", *where, *arguments)
                done.results.append(await run)
                asked = [(one.path, one.query) for one in exchange.requests[before:]]
                done.asked.append(asked)

    asyncio.run(main())
    return done


class Meddler:
    """Hands questions on to an exchange and its answers back, unless `meddle` answers itself.

    `meddle(request, number, body)`: number counts the questions of a path from 1.
    """

    def __init__(self, behind: str, meddle: Meddling) -> None:
        self._behind, self._meddle = behind, meddle
        self._numbers: dict[str, int] = defaultdict(int)

    async def __aenter__(self) -> "Meddler":
        self._client = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()
        await self._client.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {"X-MBX-TIME-UNIT": request.headers.get("X-MBX-TIME-UNIT", "")}
        async with self._client.get(f"{self._behind}{request.rel_url}", headers=headers) as answer:
            body, kept = await answer.read(), ("X-Lake-Replay", "X-MBX-USED-WEIGHT-1M")
            told = {name: answer.headers[name] for name in kept if name in answer.headers}
            status = answer.status
        self._numbers[request.path] += 1
        own = self._meddle(request, self._numbers[request.path], body)
        return own or web.Response(body=body, status=status, headers=told)


def rows(body: bytes) -> list[dict]:
    return json.loads(body)


def bars(folder: Path) -> list[tuple]:
    """All bars but for their quotes, which cannot be had again."""
    return lakes.ask(folder, EXACT)


def tape(folder: Path) -> list[tuple]:
    return lakes.ask(folder, TAPE)
