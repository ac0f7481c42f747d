"""The REST side: what every request passes, and the exchange's time and listings."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from replay import futures, spot
from replay.clock import Clock
from replay.events import json_text
from replay.limits import Gate
from replay.listings import listing, names, weight_limits
from replay.questions import BadRequest, Question, error, reply
from replay.rest_faults import RestFaults
from replay.rules import Rules

WEIGHTS = {"/api/v3/ping": 1, "/api/v3/time": 1, "/api/v3/exchangeInfo": 20, **spot.WEIGHTS}
LOGGED = 100_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Served(NamedTuple):
    """A request and how it was answered; status 0: not yet, or not wholly."""

    path: str
    query: dict[str, str]
    status: int


class Rest:
    """Answers for one exchange: `symbols` by name with (tick, lot), times from `clock`."""

    def __init__(
        self,
        symbols: dict[str, tuple[str, str]],
        clock: Clock,
        rules: Rules,
        faults: RestFaults,
    ):
        self._symbols, self._clock, self._rules, self._faults = symbols, clock, rules, faults
        self._requests: deque[list] = deque(maxlen=LOGGED)
        pools = {"weight": (rules.weight_per_minute, 60), "calls": (rules.calls_per_5_minutes, 300)}
        self._gate = Gate(clock, pools, rules.calls_until_ban)
        self._futures_gate = futures.gate(clock, rules)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v3/ping", self._ping)
        app.router.add_get("/api/v3/time", self._time)
        app.router.add_get("/api/v3/exchangeInfo", self._exchange_info)
        app.middlewares.append(self._middleware())
        app.on_response_prepare.append(self._mark_weight)

    @property
    def requests(self) -> list[Served]:
        return [Served(*entry) for entry in self._requests]

    def _middleware(self):
        @web.middleware
        async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(("/stream", "/ws")):
                return await handler(request)
            entry = [request.path, dict(request.query), 0]
            self._requests.append(entry)
            response = await self._answer(request, handler)
            if request.transport is not None and not request.transport.is_closing():
                entry[2] = response.status
            return response

        return serve

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The handler's answer, unless a limit is in its way; errors as the exchange says them."""
        gate = self._gate_of(request)
        costs = {"weight": WEIGHTS.get(request.path, 0), "calls": 1}
        if gate is self._futures_gate:
            costs = futures.COSTS.get(request.path, {"weight": 0})
        if gate and (refusal := gate.refuses(costs)):
            return error(-1003, refusal.message, refusal.status, refusal.retry_after_s)
        if fault := self._faults.hit(request):
            return await fault.answer(request, lambda: self._right(request, handler), gate)
        return await self._right(request, handler)

    def _gate_of(self, request: web.Request) -> Gate | None:
        """The limits of the host that serves this path, None where there are none."""
        if request.path.startswith("/api/"):
            return self._gate
        return self._futures_gate if request.path.startswith(("/fapi/", "/futures/")) else None

    async def _right(self, request: web.Request, handler: Handler) -> web.Response:
        """What the exchange says when nothing goes wrong."""
        try:
            return await handler(request)
        except BadRequest as bad:
            return error(bad.code, bad.message)
        except web.HTTPNotFound:
            if "text/html" in request.headers.get("Accept", ""):
                return web.Response(status=404, text="<html></html>", content_type="text/html")
            return web.Response(status=404)

    async def _mark_weight(self, request: web.Request, response: web.StreamResponse) -> None:
        if gate := self._gate_of(request):
            used = str(gate.used("weight"))
            response.headers["X-MBX-USED-WEIGHT"] = response.headers["X-MBX-USED-WEIGHT-1M"] = used

    async def _ping(self, request: web.Request) -> web.Response:
        return reply(b"{}")

    async def _time(self, request: web.Request) -> web.Response:
        """The exchange's time; the header has the replay's clock at the very same moment."""
        recv_us = self._clock.now_us()
        for gate in (self._gate, self._futures_gate):
            gate.follow()
        time = self._server_time(Question(request, ()), recv_us)
        return reply(json_text({"serverTime": time}), headers=self._clock.header(recv_us))

    def _server_time(self, question: Question, recv_us: int) -> int:
        exchange_us = recv_us - self._clock.skew_us
        return exchange_us // 1000 if question.milliseconds else exchange_us

    async def _exchange_info(self, request: web.Request) -> web.Response:
        known = ("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus")
        question = Question(request, known)
        asked = names(question, self._symbols)
        rules = self._rules
        body = {
            "timezone": "UTC",
            "serverTime": self._server_time(question, self._clock.now_us()),
            "rateLimits": weight_limits(rules.weight_per_minute, rules.calls_per_5_minutes),
            "exchangeFilters": [],
            "symbols": [listing(name, *self._symbols[name]) for name in asked],
        }
        return reply(json_text(body))
