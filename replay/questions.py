"""What a request asks for: its parameters, checked, or the exchange's error for them."""

import re
from collections.abc import Iterable, Mapping

from aiohttp import web

from replay.events import json_text

MOST = 1000  # rows of an answer
DEFAULT = 500


class BadRequest(Exception):
    """A question that the exchange answers with status 400, a code and a message."""

    def __init__(self, code: int, message: str):
        super().__init__(code, message)
        self.code, self.message = code, message


class Question:
    """The query of a request. Every method raises BadRequest for a value that is wrong."""

    def __init__(self, request: web.Request, known: Iterable[str]):
        self._query: Mapping[str, str] = request.query
        self.milliseconds = request.headers.get("X-MBX-TIME-UNIT", "").upper() != "MICROSECOND"
        known = set(known)
        for key, value in self._query.items():
            if value == "":
                raise BadRequest(-1105, f"Parameter '{key}' was empty.")
        read, sent = len(known & set(self._query)), len(self._query)
        if read < sent:
            raise BadRequest(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s) but was sent "
                f"'{sent}'.",
            )

    def __contains__(self, key: str) -> bool:
        return key in self._query

    def text(self, key: str) -> str:
        if key not in self._query:
            raise BadRequest(
                -1102,
                f"Mandatory parameter '{key}' was not sent, was empty/null, or malformed.",
            )
        return self._query[key]

    def symbol(self, symbols: Iterable[str]) -> str:
        symbol = self.text("symbol")
        if not re.fullmatch(r"[^\sa-z]{1,20}", symbol):
            raise illegal("symbol")
        if symbol not in symbols:
            raise BadRequest(-1121, "Invalid symbol.")
        return symbol

    def number(self, key: str) -> int | None:
        value = self._query.get(key)
        if value is None:
            return None
        if not re.fullmatch(r"\d{1,19}", value):
            raise illegal(key, "^[0-9]{1,20}$")
        return int(value)

    def limit(self, default: int = DEFAULT, most: int = MOST) -> int:
        """How many rows; more than `most` are that many."""
        limit = self.number("limit")
        if limit == 0:
            raise BadRequest(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(default if limit is None else limit, most)

    def times_us(self) -> tuple[int | None, int | None]:
        """startTime and endTime in µs, each the whole millisecond where it was sent in ms."""
        start, end = self.number("startTime"), self.number("endTime")
        return (
            start if start is None or start >= 10**14 else start * 1000,
            end if end is None or end >= 10**14 else end * 1000 + 999,
        )


def illegal(parameter: str, legal: str = "^[A-Z0-9-_.]{1,20}$") -> BadRequest:
    return BadRequest(
        -1100,
        f"Illegal characters found in parameter '{parameter}'; legal range is '{legal}'.",
    )


def error(code: int, message: str, status: int = 400, retry_after_s: int | None = None):
    """The exchange's error as JSON."""
    headers = None if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return reply(json_text({"code": code, "msg": message}), status, headers)


def reply(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    kind = "application/json"
    return web.Response(body=body, status=status, headers=headers, content_type=kind)
