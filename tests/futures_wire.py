"""The futures exchange at the wire's end for tests: funding rates and open interest."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable

from aiohttp import web
from served import Served

HOUR_MS, FIVE_MINUTES_MS, DAY_MS = 3_600_000, 300_000, 86_400_000


class Futures(Served):
    """`symbols`: those that have a future; `funding_ms`: from one funding to the next;
    `since_ms`: when they were listed; `faults`: each is asked with path and query what to answer,
    None = nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clear()

    def clear(self) -> None:
        """Be as new."""
        super().clear()
        self.symbols = ["BTCUSDT", "SOLUSDT"]
        self.funding_ms, self.since_ms = 8 * HOUR_MS, 0
        self.asked: list[tuple[str, dict]] = []
        self.faults: list[Callable[[str, dict], web.StreamResponse | Awaitable | None]] = []

    @property
    def now_ms(self) -> int:
        return int(self.replay.rpartition("=")[2]) // 1000

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/fapi/v1/time", self.time)
        app.router.add_get("/fapi/v1/fundingRate", self._answer)
        app.router.add_get("/futures/data/openInterestHist", self._answer)

    def of(self, kind: str) -> list[dict]:
        """The queries for a kind: fundingRate or openInterestHist."""
        return [query for path, query in self.asked if path.endswith(kind)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.asked.append((request.path, query))
        for fault in self.faults:
            answer = fault(request.path, query)
            if isawaitable(answer):
                await answer
            elif answer is not None:
                return answer
        return self.answer(request.path, query)

    def answer(self, path: str, query: dict) -> web.Response:
        """What the exchange says when nothing is wrong."""
        if query["symbol"] not in self.symbols:
            return refusal(-1121, "Invalid symbol.")
        is_funding = path.endswith("fundingRate")
        step, most = (self.funding_ms, 1000) if is_funding else (FIVE_MINUTES_MS, 500)
        start, end = int(query["startTime"]), int(query["endTime"])
        if not is_funding and start < self.now_ms - 30 * DAY_MS:
            return refusal(-1130, "parameter 'startTime' is invalid.")
        first = -(-max(start, self.since_ms) // step) * step
        last = min(end, self.now_ms)
        times = list(range(first, last + 1, step))[: min(int(query["limit"]), most)]
        make = funding if is_funding else interest
        return web.json_response([make(query["symbol"], time) for time in times])


def funding(symbol: str, time_ms: int, **other: object) -> dict:
    """A row of funding rates; older ones have no mark price."""
    row = {"symbol": symbol, "fundingTime": time_ms, "fundingRate": "0.00010000"}
    return row | {"markPrice": "", "rateType": "Regular"} | other


def interest(symbol: str, time_ms: int, **other: object) -> dict:
    """A row of open interest; its time was a text once."""
    row = {"symbol": symbol, "sumOpenInterest": "20403.12345678", "timestamp": str(time_ms)}
    return row | {"sumOpenInterestValue": "176196512.12345678"} | other


def refusal(code: int, text: str, status: int = 400) -> web.Response:
    return web.json_response({"code": code, "msg": text}, status=status)
