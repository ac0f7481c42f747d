"""Faults on request: `NAME=key:value,key:value`, when and what, all on the replay's clock.

When (one of them, counted from the first event): `at:120s` once, `every:60s` again and again,
`random:60s` seeded, that far apart on average. Durations: 500ms, 30s, 2m, 1h.
Faults of connections (`drop`, `close`, `stall`) hit every connection subscribed at that moment;
those of the stream (`replay/stream_faults.py`) change what is sent, the same for all clients; those
of REST (`replay/rest_faults.py`) may also be counted by requests: `call:5`, `calls:10`, `share:5%`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from random import Random

import click

WHEN = {"at", "every", "random"}
COUNTED = {"call", "calls", "share"}  # of REST: which requests
NEVER_SENT = {1004, 1005, 1006, 1015}  # close codes that stand for what happened (RFC 6455)
GARBLES = ("invalid", "truncated", "wrong_type", "missing_key", "null_price", "nan")
STATUSES = ("403", "404", "418", "429", "451", "500", "502", "503", "504")
ANSWERS = (
    *("reset", "silent", "late", "slow", "truncated", "gzip", "invalid", "html", "empty"),
    *("missing", "duplicated", "unsorted", "price", "revised", "wrong_type"),
)

# Name: the keys it takes beside WHEN, each with its default.
FAULTS: dict[str, dict[str, str | None]] = {
    "drop": {},
    "close": {"code": "1001", "reason": ""},
    "stall": {"for": None, "pings": "yes", "symbol": None, "stream": None},
    "gap": {"count": "10", "symbol": None},
    "duplicate": {"count": "5", "symbol": None, "stream": None},
    "reorder": {"count": "1", "by": "1", "late": None, "symbol": None, "stream": "trade"},
    "malformed": {"count": "1", "kind": None, "symbol": None, "stream": "trade"},
    "oversized": {"size": "1048577", "symbol": None, "stream": "trade"},
    "delay": {"for": "5s"},
    "rest": {
        **{"kind": "503", "path": None, "symbol": None, "count": "1"},
        **{"retry": "10s", "for": "5s"},
    },
}

HELP = """\b
drop        the connection breaks without a close frame
close       clean close: code:1001, reason:TEXT
stall       no data: for:30s (else until the client leaves);
            pings:no = no pings, no answers; symbol:, stream: stall only
            that; what passes meanwhile is lost to the client
gap         count:10 trades are never sent; symbol: (else of each symbol)
duplicate   the last count:5 events are sent again
reorder     count:1 events are sent after by:1 later ones of their stream,
            or late:3s later
malformed   count:1 events arrive garbled (and so are lost): kind: invalid,
            truncated, wrong_type, missing_key, null_price, nan (else each
            in turn)
oversized   one more frame, of size:1048577 bytes, that repeats the last event
delay       what is received within for:5s comes at its end in one burst
rest        count:1 requests are answered badly; path:klines, symbol: only
            such; kind:503 (also 500, 502, 504, 403, 404 = a page of HTML;
            451; 429, 418 with retry:10s or retry:no), reset (no answer),
            silent (never one), late, slow (a body that takes for:5s, real),
            truncated (less than announced), gzip (cut), invalid (JSON), html,
            empty; in lists: missing, duplicated, unsorted (rows), price (a
            changed one), revised (a candle of before), wrong_type
When, from the first event on: at:120s, every:60s or random:60s (seeded, on
average). What, where it can be chosen: symbol:SOLUSDT,
stream:trade|bookTicker|kline_1s. rest may count requests instead: call:5 (the
fifth), calls:10 (every tenth), share:5% (seeded)."""


@dataclass(frozen=True)
class Fault:
    """One fault: `name`, when it happens (`when`, `period_us`) and its settings as text.

    `period_us` of what counts requests: their number; of a share: in millionths.
    """

    name: str
    when: str
    period_us: int
    settings: dict[str, str | None] = field(default_factory=dict)
    seed: str = ""

    @property
    def timed(self) -> bool:
        return self.when in WHEN

    def times_us(self, start_us: int) -> Iterator[int]:
        """The moments of this fault on the receive axis, ascending."""
        random, at_us = Random(self.seed), start_us
        while True:
            random_us = int(random.expovariate(1 / self.period_us)) if self.when == "random" else 0
            at_us += random_us or self.period_us
            yield at_us
            if self.when == "at":
                return

    def count(self, key: str) -> int:
        return int(self.settings[key] or 0)

    def duration_us(self, key: str) -> int | None:
        value = self.settings[key]
        return None if value is None else duration_us(value)

    def hits(self, symbol: str, stream: str) -> bool:
        """Whether events of this stream (`btcusdt@trade`) are meant."""
        wanted, kind = self.settings.get("symbol"), self.settings.get("stream")
        return wanted in (None, symbol) and (kind is None or stream.endswith(f"@{kind}"))


def parse(spec: str, seed: int = 1) -> Fault:
    """The fault of one `--fault` option. ClickException that says what a bad one should be.

    >>> parse("gap=at:30s,count:25,symbol:SOLUSDT").settings["count"]
    '25'
    """
    name, _, rest = spec.partition("=")
    if name not in FAULTS:
        raise _refusal(spec, f"no fault {name!r}{_meant(name, FAULTS)}")
    settings, given = dict(FAULTS[name]), {}
    times = WHEN | COUNTED if name == "rest" else WHEN
    for part in filter(None, rest.split(",")):
        key, colon, value = part.partition(":")
        if not colon or not value:
            raise _refusal(spec, f"{part!r} should be key:value")
        if key not in settings and key not in times:
            raise _refusal(spec, f"{name} has no {key!r}{_meant(key, [*settings, *times])}")
        (given if key in times else settings)[key] = value
    if len(given) != 1:
        more = ", call:5, calls:10, share:5%" if name == "rest" else ""
        raise _refusal(spec, f"it needs one of at:120s, every:60s, random:60s{more}")
    ((when, period),) = given.items()
    period_us = _checked(spec, when, period) or 0
    if period_us == 0 and when != "at":
        raise _refusal(spec, f"{when}:{period} should be longer than nothing")
    for key, value in settings.items():
        _checked(spec, key, value)
    return Fault(name, when, period_us, settings, f"{seed} {spec}")


def duration_us(value: str) -> int:
    """µs of a duration such as 500ms, 30s, 2m, 1h. ValueError when it is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", value)
    if match is None:
        raise ValueError("should be a duration such as 500ms, 30s, 2m or 1h")
    unit = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
    return round(float(match[1]) * unit[match[2]])


def _millionths(value: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", value)
    if match is None or not 0 < float(match[1]) <= 100:
        raise ValueError("should be a share such as 5% or 0.1%")
    return round(float(match[1]) * 10_000)


def _checked(spec: str, key: str, value: str | None) -> int | None:
    """Refuses a value that its key does not take; µs when it is a duration."""
    try:
        if value is None:
            return None
        if key in (*WHEN, "for", "late") or (key == "retry" and value != "no"):
            return duration_us(value)
        if key == "share":
            return _millionths(value)
        if key in ("count", "by", "size", "code", "call", "calls") and (
            not value.isdigit() or int(value) < 1
        ):
            raise ValueError("should be a whole number above 0")
        if key == "code" and (not 1000 <= int(value) <= 4999 or int(value) in NEVER_SENT):
            raise ValueError("should be a close code that can be sent, 1000 to 4999")
        if key == "reason" and len(value.encode()) > 123:
            raise ValueError("should have at most 123 bytes")
        kinds = (*STATUSES, *ANSWERS) if spec.startswith("rest=") else GARBLES
        if key == "kind" and value not in kinds:
            raise ValueError(f"should be one of {', '.join(kinds)}")
        if key == "pings" and value not in ("yes", "no"):
            raise ValueError("should be yes or no")
        if key == "stream" and value not in ("trade", "bookTicker", "kline_1s"):
            raise ValueError("should be trade, bookTicker or kline_1s")
        if key in ("call", "calls"):
            return int(value)
    except ValueError as error:
        raise _refusal(spec, f"{key}:{value} {error}") from None
    return None


def _refusal(spec: str, why: str) -> click.ClickException:
    return click.ClickException(f"--fault {spec}: {why} (see `lake replay --help`).")


def _meant(name: str, known) -> str:
    meant = get_close_matches(name, list(known), n=1)
    return f", did you mean {meant[0]}?" if meant else f" (there are {', '.join(sorted(known))})"
