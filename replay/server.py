"""The exchange on loopback: WebSocket streams and REST on one port, fed by a source of events.

    async with Exchange(Market(seed=7), speed=None, faults=["drop=at:120s"]) as exchange:
        ...                    # connect to exchange.ws_url, ask exchange.rest_url
    exchange.delivered         # which trade ids clients have got, by symbol: the truth for tests
    exchange.requests          # what was asked by REST: path, query and status of each
    exchange.klines("SOLUSDT", "1m")  # the candles that there are by now, as REST tells them in µs

A source has `symbols` ({name: (tick, lot)}), `prices` (of the first trades), `start_us`, `skew_us`
and `title`, and iterating over it gives its events by receive time: `replay.market.Market` or
`replay.recording.Recording`.
"""

import asyncio
import json
import sys
from collections.abc import Iterable

import click
from aiohttp import WSMsgType, web

from replay.archive import Archive, ArchiveRules
from replay.clock import Clock
from replay.connection import Connection
from replay.control import Wishes, well_formed
from replay.delivered import BySymbol, merge
from replay.faults import Fault, parse
from replay.futures import Futures, FuturesRules
from replay.history import histories
from replay.ledger import Ledger
from replay.play import Player
from replay.rest import Rest, Served
from replay.rest_faults import RestFaults
from replay.rules import Limit, Rules
from replay.spot import Spot
from replay.symbols import unknown_symbol
from replay.yahoo import Yahoo, YahooRules

TICK_S = 0.02


class Exchange:
    """`speed`: times real time, None = as fast as clients read. `port` 0 = any free one.

    `faults` are `NAME=…` texts (see replay/faults.py) or parsed ones; `seed` is theirs.
    `stay`: REST is served after the end of the recording, too; `rest_only`: all of it has happened
    before, and the clock stands at its end. `history_days` of candles come before the first trade,
    without those in `halts` ((first, end) in µs). Trades before `oldest_ids` (by symbol) are not
    held any more.
    """

    def __init__(
        self,
        source,
        speed: float | None = 1.0,
        faults: Iterable[str | Fault] = (),
        port: int = 0,
        seed: int = 1,
        rules: Rules | None = None,
        *,
        stay: bool = False,
        rest_only: bool = False,
        history_days: int = 0,
        halts: Iterable[tuple[int, int]] = (),
        oldest_ids: dict[str, int] | None = None,
        archive: ArchiveRules | None = None,
        futures: FuturesRules | None = None,
        yahoo: YahooRules | None = None,
    ):
        self.source, self.port, self._rules = source, port, rules or Rules()
        self.stay, self._rest_only = stay or rest_only, rest_only
        parsed = [parse(fault, seed) if isinstance(fault, str) else fault for fault in faults]
        for fault in parsed:
            if (symbol := fault.settings.get("symbol")) and symbol not in source.symbols:
                raise unknown_symbol(symbol, source.symbols, source.title, f"--fault {fault.name}")
        self.clock = Clock(source.start_us, speed, source.skew_us)
        self.ledger = Ledger(source, self.clock)
        rest_faults = RestFaults(parsed, self.clock, source.start_us)
        self.rest = Rest(source.symbols, self.clock, self._rules, rest_faults)
        self.spot = Spot(self.ledger, histories(source, history_days, halts), oldest_ids)
        self.archive = Archive(self.spot, self.ledger, self.clock, archive or ArchiveRules())
        self.futures = Futures(source, self.clock, self._rules, futures or FuturesRules())
        self.yahoo = Yahoo(self.clock, yahoo or YahooRules())
        self.connections: set[Connection] = set()
        self.delivered: BySymbol = {}
        self._unanswered: BySymbol = {}
        self._faults = parsed
        self._connects: dict[str, Limit] = {}
        self._count = 0

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Served]:
        """What was asked by REST, in its order."""
        return self.rest.requests

    def klines(
        self,
        symbol: str,
        interval: str,
        start_us: int | None = None,
        end_us: int | None = None,
    ) -> list[list]:
        """All candles by now that open from start to end, both included: REST's rows in µs."""
        candles = self.spot.candles(symbol, interval, milliseconds=False)
        return json.loads(candles.page(start_us or 0, end_us, sys.maxsize))

    @property
    def doubtful(self) -> BySymbol:
        """Trade ids sent to connections that ended before they answered: got or lost, who knows.

        What a fault does is certain; a client that leaves by itself makes doubt.
        """
        return {
            symbol: rest
            for symbol, ids in self._unanswered.items()
            if (rest := [i for i in ids if i not in self.delivered.get(symbol, ())])
        }

    async def __aenter__(self) -> "Exchange":
        if self._rest_only:
            self.ledger.read_all()
            self.clock.stand_at(self.ledger.end_us + self.source.skew_us)
        app = web.Application()
        for part in (self.rest, self.spot, self.archive, self.futures, self.yahoo):
            part.add_to(app)
        for path in ("/stream", "/ws", "/ws/{streams:.*}"):
            app.router.add_get(path, self._websocket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise click.ClickException(
                f"port {self.port} is taken or not allowed (error {error.errno}); "
                "give another --port, or leave it out for any free one."
            ) from error
        self.port = self._runner.addresses[0][1]
        self.player = Player(self.source, self.clock, self._faults, self.connections, self.ledger)
        self._playing = asyncio.create_task(self.player.play())
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *exception: object) -> None:
        for task in (self._playing, self._ticking):
            task.cancel()
        outcome, _ = await asyncio.gather(self._playing, self._ticking, return_exceptions=True)
        for connection in list(self.connections):
            connection.abort()
        await self._runner.cleanup()
        if isinstance(outcome, Exception) and exception[0] is None:
            raise outcome

    async def played(self) -> None:
        """Returns when the recording is over, a client has been told so, and all have left.

        A client that was away at the end is waited for as long as its back-off may last.
        """
        await self._playing
        patience_s = max(10.0, 330.0 / (self.clock.speed or 1000.0))
        deadline = asyncio.get_running_loop().time() + patience_s
        while self.connections or not self.player.told:
            if not self.connections and asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(TICK_S)

    async def finished(self) -> None:
        """Returns when it has been played and nobody is there; never when it is to stay."""
        if self.stay:
            await asyncio.get_running_loop().create_future()
        await self.played()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for connection in list(self.connections):
                connection.tick()

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        rules = self._rules
        limit = Limit(rules.connects, rules.connects_within_s)
        limit = self._connects.setdefault(request.remote or "", limit)
        if limit.exceeded(self.clock.timer_us()):
            return web.Response(status=rules.connects_status)
        wishes = _wishes(request, rules)
        self._count += 1
        websocket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False)
        websocket.headers["x-mbx-uuid"] = f"replay-{self._count}"
        websocket.headers.update(self.clock.header(self.clock.now_us()))
        await websocket.prepare(request)
        milliseconds = request.query.get("timeUnit", "").upper() != "MICROSECOND"
        connection = Connection(request, wishes, milliseconds, rules, self.clock, self.delivered)
        self.connections.add(connection)
        code = None
        try:
            code = await self._converse(connection, websocket)
        finally:
            self.connections.discard(connection)
            connection.ended(code)
            merge(self._unanswered, connection.sent.unanswered())
        return websocket

    async def _converse(
        self, connection: Connection, websocket: web.WebSocketResponse
    ) -> int | None:
        """From a client's first message to its close frame, whose code it returns, if it came."""
        if self.player.over.is_set():
            self.player.tell(connection)
        if connection.wishes.streams:
            self.player.subscribed(connection)
        while True:
            message = await websocket.receive()
            if message.type is WSMsgType.CLOSE:
                return message.data
            if message.type in (WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                return None
            if connection.hear(message):
                self.player.subscribed(connection)


def _wishes(request: web.Request, rules: Rules) -> Wishes:
    """What the address asks for. 400 for a time unit or stream name that is none."""
    combined = request.path == "/stream"
    names = request.query.get("streams", "") if combined else request.match_info.get("streams", "")
    streams = [name for name in names.split("/") if name]
    unit = request.query.get("timeUnit", "MILLISECOND").upper()
    well = (
        all(well_formed(name) for name in streams) and len(streams) <= rules.streams_per_connection
    )
    if unit not in ("MILLISECOND", "MICROSECOND") or not well:
        raise web.HTTPBadRequest
    return Wishes(combined, dict.fromkeys(streams), rules.streams_per_connection)
