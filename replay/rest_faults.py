"""Faults of REST: which request is hit, and how its answer is spoiled.

Written like the others (`replay/faults.py`): `rest=kind:truncated,calls:10,path:klines`. Beside
the times of the replay's clock they may count requests: `call:5` the fifth that is meant,
`calls:10` every tenth, `share:5%` by chance (seeded). `count` requests in a row are hit.
"""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterable
from random import Random

from aiohttp import web

from replay.clock import Clock
from replay.events import decimal, json_text, scaled
from replay.faults import Fault
from replay.limits import Gate, ban_message
from replay.questions import error

Row = list | dict

RESTRICTED = "Service unavailable from a restricted location."
SLOW_PARTS = 20
GONE_S = 0.05


class RestFaults:
    """The faults of one exchange; they are counted over all clients."""

    def __init__(self, faults: Iterable[Fault], clock: Clock, start_us: int):
        self._faults = [_Due(fault, start_us) for fault in faults if fault.name == "rest"]
        self._clock = clock

    def hit(self, request: web.Request) -> "_Due | None":
        """The fault that this request meets; the others have counted it all the same."""
        now_us = self._clock.now_us()
        due = [fault for fault in self._faults if fault.meets(request, now_us)]
        return due[0] if due else None


class _Due:
    """One fault, how many requests it has seen and how many it is still to hit."""

    def __init__(self, fault: Fault, start_us: int):
        self.fault, self.kind, self.random = fault, fault.settings["kind"], Random(fault.seed)
        self._times = fault.times_us(start_us) if fault.timed else iter(())
        self._next_us = next(self._times, None)
        self._seen = self._to_hit = 0

    def meets(self, request: web.Request, now_us: int) -> bool:
        path, symbol = self.fault.settings["path"], self.fault.settings["symbol"]
        if path is not None and path not in request.path:
            return False
        if symbol not in (None, request.query.get("symbol")):
            return False
        self._seen += 1
        if self._begins(now_us):
            self._to_hit = self.fault.count("count")
        self._to_hit -= 1
        return self._to_hit >= 0

    def _begins(self, now_us: int) -> bool:
        """Whether it is time to hit again."""
        fault = self.fault
        if fault.when == "call":
            return self._seen == fault.period_us
        if fault.when == "calls":
            return self._seen % fault.period_us == 0
        if fault.when == "share":
            return self.random.random() < fault.period_us / 1e6
        passed = False
        while self._next_us is not None and now_us >= self._next_us:
            passed, self._next_us = True, next(self._times, None)
        return passed

    async def answer(
        self, request: web.Request, respond: Callable, gate: Gate | None
    ) -> web.StreamResponse:
        """The spoiled answer. `respond`: makes the right one; `gate`: of the host, for bans."""
        if self.kind.isdigit():
            return self._refusal(gate)
        if self.kind == "late":
            await asyncio.sleep(self._seconds())
        if self.kind == "silent":
            while not request.transport.is_closing():
                await asyncio.sleep(GONE_S)
        if self.kind in ("silent", "reset"):
            request.transport.abort()
            return web.Response()
        response = await respond()
        if self.kind in ROWS and response.status == 200:
            response.body = with_spoiled_rows(response.body, self.kind, self.random)
        elif self.kind in ("truncated", "slow"):
            return await self._piecemeal(request, response)
        elif self.kind in BODIES:
            headers = {"Content-Type": "text/html"} if self.kind == "html" else {}
            headers = {"Content-Encoding": "gzip"} if self.kind == "gzip" else headers
            kind = headers.pop("Content-Type", response.content_type)
            body = BODIES[self.kind](response.body)
            return web.Response(body=body, headers=headers, content_type=kind)
        return response

    def _seconds(self) -> float:
        """`for`, in real seconds: sockets know no others."""
        return (self.fault.duration_us("for") or 5_000_000) / 1e6

    def _refusal(self, gate: Gate | None) -> web.Response:
        status, retry = int(self.kind), self.fault.settings["retry"]
        retry_s = None if retry == "no" else (self.fault.duration_us("retry") or 0) // 1_000_000
        if status == 429:
            return error(-1003, "Too many requests; please retry later.", 429, retry_s)
        if status == 418:
            until_us = gate.ban(retry_s or 120) if gate else 0
            return error(-1003, ban_message(until_us), 418, retry_s)
        if status == 451:
            return error(0, RESTRICTED, 451)
        page = f"<html><head><title>{status}</title></head><body>ERROR</body></html>"
        return web.Response(status=status, text=page, content_type="text/html")

    async def _piecemeal(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        """The body bit by bit; a truncated one ends in the middle of what was announced."""
        body, stream = response.body, web.StreamResponse(status=response.status)
        stream.content_type, stream.content_length = response.content_type, len(body)
        await stream.prepare(request)
        if self.kind == "truncated":
            await stream.write(body[: len(body) // 2])
            await asyncio.sleep(0)
            request.transport.close()
            return stream
        size = -(-len(body) // SLOW_PARTS) or 1
        for begin in range(0, len(body), size):
            await asyncio.sleep(self._seconds() / SLOW_PARTS)
            await stream.write(body[begin : begin + size])
        return stream


def _cut_gzip(body: bytes) -> bytes:
    packed = gzip.compress(body, mtime=0)
    return packed[: len(packed) * 2 // 3]


BODIES: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _cut_gzip,
    "invalid": lambda body: body[: len(body) * 2 // 3] + b"}",
    "html": lambda body: b"<!DOCTYPE html><html><body>We will be right back.</body></html>",
    "empty": lambda body: b"",
}


def with_spoiled_rows(body: bytes, kind: str, random: Random) -> bytes:
    """The list of rows with something wrong in it; what is no list of rows stays as it is."""
    try:
        rows = json.loads(body)
    except ValueError:
        return body
    if not isinstance(rows, list) or not rows:
        return body
    ROWS[kind](rows, random.randrange(len(rows)))
    return json_text(rows)


def _missing(rows: list[Row], at: int) -> None:
    del rows[at : at + 3]


def _duplicated(rows: list[Row], at: int) -> None:
    rows[at:at] = rows[at : at + 3]


def _unsorted(rows: list[Row], at: int) -> None:
    rows.insert(0, rows.pop(at or -1))


def _changed_price(rows: list[Row], at: int) -> None:
    """One price a little higher; a candle may lose its order by it."""
    row = rows[at]
    key = 4 if isinstance(row, list) else next((key for key in ("price", "p") if key in row), None)
    if key is not None:
        row[key] = decimal(scaled(row[key]) + max(1, scaled(row[key]) // 10_000))


def _revised(rows: list[Row], at: int) -> None:
    """Another candle than the one of before, as good as it: one more trade at the close."""
    row = rows[at - 1 if at == len(rows) - 1 else at]
    if not isinstance(row, list):
        return
    close, more = scaled(row[4]), 10**7
    row[5] = decimal(scaled(row[5]) + more)
    row[7] = decimal(scaled(row[7]) + close * more // 10**8)
    row[8] += 1


def _wrong_type(rows: list[Row], at: int) -> None:
    row = rows[at]
    key = 4 if isinstance(row, list) else next(iter(row))
    row[key] = {"value": row[key]}


ROWS: dict[str, Callable[[list[Row], int], None]] = {
    "missing": _missing,
    "duplicated": _duplicated,
    "unsorted": _unsorted,
    "price": _changed_price,
    "revised": _revised,
    "wrong_type": _wrong_type,
}
