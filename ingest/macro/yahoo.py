"""Minutes from Yahoo, asked through yfinance; everything here runs in one thread (yahoo_worker).

yfinance tells an empty weekend and a failed request by the same exception, keeps failed answers in
a cache, and prints what it thinks. Here each outcome has a name of its own.
"""

import logging
import re
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import requests
import yfinance
from loguru import logger
from requests.adapters import HTTPAdapter
from yfinance.data import YfData
from yfinance.exceptions import YFPricesMissingError, YFRateLimitError, YFTzMissingError

from ingest.http import on_loopback
from ingest.macro.yahoo_worker import Limited, Trouble

CHART = "/v8/finance/chart/"
COLUMNS = ("Open", "High", "Low", "Close", "Volume")
# Currencies and futures, which have no hours before and after the market's.
ROUND_THE_CLOCK = ("=X", "=F")
TIMEOUT_S = 10.0
# How Yahoo says, with status 400, that a range has no minutes.
EMPTY_RANGE = "Data doesn't exist for"
LOGGERS = ("yfinance", "peewee", "urllib3", "curl_cffi")


class Redirect(HTTPAdapter):
    """Sends whatever is meant for a host of Yahoo to one address instead."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url.rstrip("/")

    def send(self, request: requests.PreparedRequest, *arguments, **options) -> requests.Response:
        asked = request.url
        parts = urlsplit(asked)
        moved = request.copy()
        moved.url = f"{self._url}{parts.path}{'?' * bool(parts.query)}{parts.query}"
        if on_loopback(self._url):
            options["proxies"] = {}
        answer = super().send(moved, *arguments, **options)
        answer.url = asked  # a redirection is relative to the host that was meant
        return answer


class Yahoo:
    """`cache`: a folder for what yfinance keeps; `url`: in place of all hosts of Yahoo."""

    def __init__(self, cache: Path, url: str = "") -> None:
        _quieten()
        cache.mkdir(parents=True, exist_ok=True)
        _remove_damaged(cache)
        yfinance.set_tz_cache_location(str(cache))
        yfinance.config.debug.hide_exceptions = False
        self._session = _redirected(url) if url else yfinance.Ticker("SPY").session
        self._send, self._session.request = self._session.request, self._request
        self._answer: requests.Response | None = None

    def _request(self, *arguments, **options) -> requests.Response:
        """A request of yfinance: within our time, and the answer with prices is looked at later."""
        options["timeout"] = TIMEOUT_S
        answer = self._send(*arguments, **options)
        if CHART in str(options.get("url") or arguments[-1]):
            self._answer = answer
        return answer

    def minutes(self, ticker: str, from_s: int, to_s: int) -> list[dict]:
        """The minutes of a stretch, its end exclusive, as yfinance hands them over: `ts` in µs,
        numbers as they are, none for an empty stretch. Trouble for all else.
        """
        # Else an answer that failed would be given again, without a request.
        YfData.cache_get.cache_clear()
        self._answer = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                frame = yfinance.Ticker(ticker, session=self._session).history(
                    start=from_s,
                    end=to_s,
                    interval="1m",
                    # else yfinance drops 23:59, where Yahoo says that their day ends
                    prepost=ticker.endswith(ROUND_THE_CLOCK),
                    auto_adjust=False,
                    actions=False,
                    keepna=True,
                    timeout=TIMEOUT_S,
                )
            except YFPricesMissingError as missing:
                self._refuse_status()
                if self._is_empty(missing.yahoo_reason):
                    return []
                if missing.yahoo_reason is None:
                    raise Trouble("an answer without prices", is_passing=True) from None
                raise Trouble(f"Yahoo says: {missing.yahoo_reason}") from None
            except Exception as error:
                raise self._trouble(error) from error
            return _rows(frame)

    def _is_empty(self, reason: str | None) -> bool:
        """Whether the answer is that of a stretch without minutes, a weekend's."""
        if reason is not None:
            return reason.startswith(EMPTY_RANGE)
        try:
            return bool(self._answer.json()["chart"]["result"][0]["meta"])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return False

    def _refuse_status(self) -> None:
        """Trouble where the status says that the next ticker will not fare better."""
        status = self._answer.status_code if self._answer is not None else 200
        if status == 429:
            raise Limited
        if status >= 500 or status in (401, 403):
            raise Trouble(f"status {status}", is_passing=True, is_general=True)

    def _trouble(self, error: Exception) -> Trouble:
        """What an exception of yfinance means."""
        if isinstance(error, YFRateLimitError):
            return Limited()
        try:
            self._refuse_status()
        except Trouble as trouble:
            return trouble
        status = self._answer.status_code if self._answer is not None else None
        if status == 404 or (status == 200 and isinstance(error, YFTzMissingError)):
            return Trouble("Yahoo does not know this ticker")
        if isinstance(error, OSError) and not isinstance(error, ValueError):
            return Trouble(_why(error), is_passing=True, is_general=True)
        if not self._is_json():
            return Trouble("an answer that is no JSON", is_passing=True)
        return Trouble(f"an answer that cannot be read ({_why(error)})", is_passing=True)

    def _is_json(self) -> bool:
        try:
            self._answer.json()
        except (AttributeError, ValueError):
            return False
        return True


def _remove_damaged(cache: Path) -> None:
    """Take away what yfinance could not read; it asks for that again."""
    for path in cache.glob("*.db"):
        try:
            with closing(sqlite3.connect(path)) as con:
                con.execute("pragma quick_check")
        except sqlite3.DatabaseError:
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)


def _rows(frame) -> list[dict]:
    """The rows of a frame of yfinance, in its order."""
    times = frame.index.as_unit("us").asi8.tolist()
    values = [frame[column].tolist() for column in COLUMNS]
    names = ("ts", *(column.lower() for column in COLUMNS))
    return [dict(zip(names, row, strict=True)) for row in zip(times, *values, strict=True)]


def _why(error: Exception) -> str:
    """An exception of the network or of yfinance, in short."""
    text = " ".join(str(error).split()).partition(" See http")[0].rstrip(".")
    if cause := re.search(r"\[Errno -?\d+\] [^'\")]+", text):
        return cause[0]
    return f"{type(error).__name__}: {text}"[:120]


def _redirected(url: str) -> requests.Session:
    """A session that asks one address in place of all hosts."""
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, Redirect(url))
    return session


class _Forwarded(logging.Handler):
    """What yfinance has to say goes to our log, where DEBUG is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.debug("{}: {}", record.name, record.getMessage())


def _quieten() -> None:
    """Keep the libraries from writing to the terminal."""
    for name in LOGGERS:
        its = logging.getLogger(name)
        its.handlers, its.propagate = [_Forwarded()], False
