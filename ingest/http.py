"""Asking a host over HTTP: within its limits, again after what may pass, with plain sentences.

async with Host("https://api.binance.com", SPOT) as host:
    await rest.synchronise(host)
    answer = await host.get("/api/v3/klines", 2, {"symbol": "BTCUSDT", "interval": "1m"})
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
from loguru import logger

from ingest.budget import Budget, Timer
from ingest.collect.clock import Clock
from ingest.no_answer import NoAnswer as NoAnswer
from ingest.no_answer import (
    Passing,
    Refused,
    Unreachable,
    banned_until_us,
    decoded,
    error_of,
)

MIRROR = "https://data-api.binance.vision"
HEADERS = {"X-MBX-TIME-UNIT": "MICROSECOND"}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
TRIES = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0
CONNECT_S, TOTAL_S = 10.0, 30.0
# A longer wait is told, not waited for.
LONGEST_BAN_S = 600.0
CONNECTIONS = 16
NOT_FOUND = 404
USED = "X-MBX-USED-WEIGHT-1M"
# What the exchange says of troubles of its own, whatever the status is.
PASSING = {-1000, -1001, -1003, -1006, -1007, -1008, -1016}


@dataclass(frozen=True)
class Limits:
    """What a host allows: weight a minute (None: no limit), and calls in seconds by path.

    `mirror`: where the same is served to those whom the host refuses.
    """

    weight: int | None = None
    pools: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    mirror: str = ""


SPOT = Limits(6000, mirror=MIRROR)
FUTURES = Limits(
    2400, {"/fapi/v1/fundingRate": (500, 300), "/futures/data/openInterestHist": (1000, 300)}
)
FILES = Limits()


@dataclass(frozen=True)
class Answer:
    """A usable answer. `json`: the decoded body, None where bytes were asked for.

    `fetched_us`: the clock of the source (a replay's, else the wall clock) when it had come;
    `sent_us`: the wall clock when it was asked for.
    """

    status: int
    body: bytes
    json: object
    headers: Mapping[str, str]
    fetched_us: int
    sent_us: int
    round_trip_us: int


def on_loopback(url: str) -> bool:
    """Whether an address is on this machine, where no proxy must be asked."""
    return urlsplit(url).hostname in LOOPBACK


class Host:
    """One base address with its limits and connections; all its callers share one object.

    `clock`: the run's, where there is one; `timer`: the source's clock, for limits and waits.
    """

    def __init__(
        self,
        url: str,
        limits: Limits = FILES,
        clock: Clock | None = None,
        timer: Timer | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        self.url, self.limits = url.rstrip("/"), limits
        self.clock, self.timer = clock or Clock(), timer or Timer()
        self.requests = 0
        self._total_s = total_s
        self._paused_until_us = 0
        self._weight = Budget(self.timer, limits.weight) if limits.weight else None
        pools = limits.pools.items()
        self._pools = {path: Budget(self.timer, *numbers) for path, numbers in pools}

    async def __aenter__(self) -> "Host":
        self._session = aiohttp.ClientSession(
            headers=HEADERS,
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            trust_env=not on_loopback(self.url),  # the environment's proxies
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._session.close()

    async def get(
        self,
        path: str,
        weight: int = 1,
        params: Mapping[str, str | int] | None = None,
        as_json: bool = True,
        is_patient: bool = True,
        total_s: float | None = None,
    ) -> Answer:
        """The answer to one question; tried again after what may pass, unless not `is_patient`.

        `total_s`: seconds that an answer may take. Refused when the host says no, Unreachable when
        the tries are used up or it bans us.
        """
        tries = TRIES if is_patient else 1
        if not is_patient and self._paused_us() > 0:
            raise self._unreachable(path, "it asked us to wait")
        for number in range(1, tries + 1):
            try:
                return await self._ask(path, weight, params, as_json, total_s or self._total_s)
            except Passing as passing:
                why = str(passing)
            if number < tries:
                logger.debug("{}{}: {}, try {} of {}", self.url, path, why, number, tries)
                wait_s = min(FIRST_WAIT_S * 2 ** (number - 1), LONGEST_WAIT_S)
                await self.timer.sleep(wait_s * random.uniform(0.75, 1.0))
        raise self._unreachable(path, f"{why}, {tries} tries")

    async def file(self, path: str, total_s: float | None = None) -> Answer | None:
        """A file as it is; None where there is none of that name. `total_s`, errors: as of get."""
        try:
            return await self.get(path, as_json=False, total_s=total_s)
        except Refused as refused:
            if refused.status != NOT_FOUND:
                raise
            return None

    def _unreachable(self, path: str, why: str) -> Unreachable:
        return Unreachable(
            f"{self.url}{path} gave no usable answer ({why}): look at the network and the address,"
            " then run the same command again",
            why,
        )

    async def _ask(
        self, path: str, weight: int, params: Mapping | None, as_json: bool, total_s: float
    ) -> Answer:
        """One try; Passing when another one may help."""
        windows = await self._room(path, weight)
        headers: Mapping[str, str] = {}
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=CONNECT_S)
        self.requests += 1
        sent_us, started = time.time_ns() // 1000, time.perf_counter()
        try:
            address = f"{self.url}{path}"
            async with self._session.get(address, params=params, timeout=timeout) as answer:
                headers, status = answer.headers, answer.status
                body = await answer.read()
        except TimeoutError:
            raise Passing("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Passing(" ".join(str(error).split()) or type(error).__name__) from None
        finally:
            trip_us = int((time.perf_counter() - started) * 1e6)
            self._answered(windows, headers.get(USED, ""))
        if status != 200:
            self._turned_down(path, status, headers.get("Retry-After", ""), body)
        found = decoded(body) if as_json else None
        return Answer(status, body, found, headers, self.clock.now(), sent_us, trip_us)

    async def _room(self, path: str, weight: int) -> list[tuple[Budget, int, int]]:
        """Wait until the call is allowed: each budget with its weight and window."""
        taken = []
        if pool := self._pools.get(path):
            taken.append((pool, 1, await pool.take(1)))
        if self._weight:
            taken.append((self._weight, weight, await self._weight.take(weight)))
        while (wait_us := self._paused_us()) > 0:
            await self.timer.sleep(wait_us / 1e6)
        return taken

    def _paused_us(self) -> int:
        return self._paused_until_us - self.timer.now_us()

    def _answered(self, windows: list[tuple[Budget, int, int]], used: str) -> None:
        for budget, weight, window in windows:
            told = int(used) if budget is self._weight and used.isdecimal() else None
            budget.answered(weight, window, told)

    def _turned_down(self, path: str, status: int, retry_after: str, body: bytes) -> None:
        """Passing, Refused or Unreachable, for an answer that is not 200."""
        asked_s = float(retry_after) if retry_after.isdecimal() else 0.0
        if status == 418 or (status == 429 and asked_s > LONGEST_BAN_S):
            self._banned(asked_s, body)
        if status == 429:
            self._pause(asked_s or (self._weight.rest_s() if self._weight else 60.0))
            raise Passing("too many requests (429)")
        if status in (403, 451):
            raise Refused(self._blocked(status), status)
        if status >= 500:
            raise Passing(f"status {status}")
        code, msg = error_of(body)
        if code in PASSING:
            raise Passing(f"status {status}, {msg}")
        said = f": {msg} ({code})" if code is not None else ""
        raise Refused(f"{self.url}{path} refuses with status {status}{said}", status, code, msg)

    def _pause(self, seconds: float) -> None:
        """No calls of anyone for so long."""
        logger.warning("{} asks us to wait for {:.0f} s", self.url, seconds)
        until_us = self.timer.now_us() + int(seconds * 1e6)
        self._paused_until_us = max(self._paused_until_us, until_us)

    def _banned(self, asked_s: float, body: bytes) -> None:
        """No calls until the ban ends, which header and text tell."""
        now_us = self.timer.now_us()
        until_us = banned_until_us(now_us, asked_s, body)
        ban_s = (until_us - now_us) / 1e6
        self._pause(ban_s)
        if ban_s > LONGEST_BAN_S:
            until = datetime.fromtimestamp(until_us // 1_000_000, UTC)
            raise Unreachable(
                f"{self.url} has banned this address until {until:%Y-%m-%d %H:%M:%S} UTC: run the"
                " same command again after that, each call before makes it longer",
                "banned",
            )
        raise Passing("banned (418)")

    def _blocked(self, status: int) -> str:
        """Why nothing comes from here, and where it may come from."""
        sentence = f"{self.url} does not serve this machine's address (status {status})"
        if self.limits.mirror and self.url != self.limits.mirror:
            return f"{sentence}: {self.limits.mirror} has the same market data, give it as rest_url"
        return f"{sentence}: try again later, or from another network"
