"""Control messages: what a client asks of its connection, and what the exchange answers.

An acknowledged SUBSCRIBE proves good form only: a stream that does not exist is acknowledged too
and stays silent. A malformed name is an error, and the exchange closes the connection.
"""

import json
import re
from dataclasses import dataclass, field

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")

_STREAM = re.compile(r"[^@\s/!]+@\w+([@+:]{0,2}[-\w:+]*)|!\w+(@\w+)*", re.UNICODE)


@dataclass
class Wishes:
    """What a connection wants: its streams (ordered) and whether messages are wrapped."""

    combined: bool
    streams: dict[str, None] = field(default_factory=dict)
    most_streams: int = 1024


class Refused(Exception):
    """An error answer: `code`, text; `fatal` when the exchange then closes the connection."""

    def __init__(self, code: int, text: str, fatal: bool = False):
        super().__init__(text)
        self.code, self.text, self.fatal = code, text, fatal


def well_formed(stream: str) -> bool:
    """Whether a stream's name has the form of one; the stream need not exist.

    >>> well_formed("btcusdt@kline_1s"), well_formed("btcusdt")
    (True, False)
    """
    return _STREAM.fullmatch(stream) is not None


def request_in(message: str) -> dict:
    """The control message as an object with `method` and `id`. Refused when it is none."""
    try:
        request = json.loads(message)
    except ValueError as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise Refused(3, f"Invalid JSON: expected value at line {line} column {column}") from None
    if not isinstance(request, dict):
        raise Refused(3, "Invalid JSON: expected value at line 1 column 1")
    return request


def answer(wishes: Wishes, request: dict) -> object:
    """The `result` of a request, which it applies to `wishes`. Refused with the error otherwise."""
    if not _good_id(request.get("id")):
        raise Refused(2, "Invalid request: request ID must be an unsigned integer")
    if "method" not in request:
        raise Refused(2, "Invalid request: missing field `method`")
    method, params = request["method"], request.get("params", [])
    if method not in METHODS:
        names = ", ".join(f"`{name}`" for name in METHODS)
        raise Refused(2, f"Invalid request: unknown variant `{method}`, expected one of {names}")
    if not isinstance(params, list):
        raise Refused(2, "Invalid request: invalid type: params must be a sequence")
    if method == "LIST_SUBSCRIPTIONS":
        return list(wishes.streams)
    if method.endswith("_PROPERTY"):
        return _property(wishes, method, params)
    if "params" not in request:
        raise Refused(2, "Invalid request: missing field `params`")
    return _subscribe(wishes, params, wanted=method == "SUBSCRIBE")


def _good_id(request_id: object) -> bool:
    """A signed 64-bit integer, up to 36 letters and digits, or null."""
    if isinstance(request_id, str):
        return re.fullmatch(r"[\w-]{1,36}", request_id) is not None
    if isinstance(request_id, bool):
        return False
    return request_id is None or (isinstance(request_id, int) and abs(request_id) < 2**63)


def _subscribe(wishes: Wishes, names: list, wanted: bool) -> None:
    for name in names:
        if not isinstance(name, str) or not well_formed(name):
            raise Refused(2, "Invalid request: invalid stream", fatal=True)
    if not wanted:
        for name in names:
            wishes.streams.pop(name, None)
        return
    if len(wishes.streams.keys() | set(names)) > wishes.most_streams:
        raise Refused(4, "Too many subscriptions")
    wishes.streams.update(dict.fromkeys(names))


def _property(wishes: Wishes, method: str, params: list) -> bool | None:
    most = 2 if method == "SET_PROPERTY" else 1
    if len(params) > most:
        raise Refused(2, "Invalid request: too many parameters")
    if not params or not isinstance(params[0], str):
        raise Refused(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise Refused(0, "Unknown property")
    if method == "GET_PROPERTY":
        return wishes.combined
    if len(params) < most or not isinstance(params[1], bool):
        raise Refused(1, "Invalid value type: expected Boolean")
    wishes.combined = params[1]
    return None
