"""The REST side: ping, time and exchangeInfo, with the exchange's weights and errors."""

import json
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from replay.clock import Clock
from replay.events import json_text

WEIGHTS = {"/api/v3/ping": 1, "/api/v3/time": 1, "/api/v3/exchangeInfo": 20}
QUOTE_ASSETS = ("USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "TRY")
RATE_LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
]


class Rest:
    """Answers for one exchange: `symbols` by name with (tick, lot), times from `clock`."""

    def __init__(self, symbols: dict[str, tuple[str, str]], clock: Clock):
        self._symbols, self._clock = symbols, clock
        self._minute, self._weight = 0, 0

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v3/ping", self._ping)
        app.router.add_get("/api/v3/time", self._time)
        app.router.add_get("/api/v3/exchangeInfo", self._exchange_info)
        app.middlewares.append(self._middleware())
        app.on_response_prepare.append(self._mark_weight)

    def _middleware(self):
        @web.middleware
        async def weigh(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            self._add_weight(WEIGHTS.get(request.path, 0))
            try:
                return await handler(request)
            except web.HTTPNotFound:
                if "text/html" in request.headers.get("Accept", ""):
                    return web.Response(status=404, text="<html></html>", content_type="text/html")
                return web.Response(status=404)

        return weigh

    def _add_weight(self, weight: int) -> None:
        """Windows are whole minutes of the exchange's clock, not the last 60 seconds."""
        minute = self._clock.exchange_us() // 60_000_000
        if minute != self._minute:
            self._minute, self._weight = minute, 0
        self._weight += weight

    async def _mark_weight(self, request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith("/api/"):
            response.headers["X-MBX-USED-WEIGHT"] = str(self._weight)
            response.headers["X-MBX-USED-WEIGHT-1M"] = str(self._weight)

    async def _ping(self, request: web.Request) -> web.Response:
        return _reply({})

    async def _time(self, request: web.Request) -> web.Response:
        """The exchange's time; the header has the replay's clock at the very same moment."""
        recv_us = self._clock.now_us()
        speed = "max" if self._clock.speed is None else f"{self._clock.speed:g}"
        header = {"X-Lake-Replay": f"speed={speed}; recv={recv_us}"}
        return _reply({"serverTime": self._server_time(request, recv_us)}, headers=header)

    def _server_time(self, request: web.Request, recv_us: int) -> int:
        exchange_us = recv_us - self._clock.skew_us
        micro = request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND"
        return exchange_us if micro else exchange_us // 1000

    async def _exchange_info(self, request: web.Request) -> web.Response:
        try:
            names = _names(request.query)
        except ValueError as error:
            return _error(*error.args)
        if names is None:
            names = list(self._symbols)
        if not all(name in self._symbols for name in names):
            return _error(-1121, "Invalid symbol.")
        return _reply(
            {
                "timezone": "UTC",
                "serverTime": self._server_time(request, self._clock.now_us()),
                "rateLimits": RATE_LIMITS,
                "exchangeFilters": [],
                "symbols": [_listing(name, *self._symbols[name]) for name in names],
            }
        )


def _names(query) -> list[str] | None:
    """The symbols that are asked for, None for all. ValueError with (code, message)."""
    if "symbol" in query and "symbols" in query:
        raise ValueError(-1128, "Combination of optional parameters invalid.")
    for key in ("symbol", "symbols"):
        if key in query and not query[key]:
            raise ValueError(-1105, f"Parameter '{key}' was empty.")
    if "symbol" in query:
        names = [query["symbol"]]
    elif "symbols" in query:
        names = _listed(query["symbols"])
    else:
        return None
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[^\sa-z]{1,20}", name):
            raise ValueError(*_illegal("symbol" if "symbol" in query else "symbols"))
    return names


def _listed(value: str) -> list:
    try:
        names = json.loads(value)
    except ValueError:
        names = None
    if not isinstance(names, list):
        raise ValueError(*_illegal("symbols"))
    return names


def _illegal(parameter: str) -> tuple[int, str]:
    legal = "^[A-Z0-9-_.]{1,20}$"
    return -1100, f"Illegal characters found in parameter '{parameter}'; legal range is '{legal}'."


def _listing(symbol: str, tick: str, lot: str) -> dict:
    quote = next((asset for asset in QUOTE_ASSETS if symbol.endswith(asset)), "")
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix(quote),
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": tick},
            {"filterType": "LOT_SIZE", "stepSize": lot},
        ],
    }


def _error(code: int, message: str) -> web.Response:
    return _reply({"code": code, "msg": message}, status=400)


def _reply(body: dict, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    kind = "application/json"
    return web.Response(body=json_text(body), status=status, headers=headers, content_type=kind)
