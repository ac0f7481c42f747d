"""Official klines from the archive: one zip a symbol and UTC day, with its checksum.

    <archive>/data/spot/daily/klines/SOLUSDT/1m/SOLUSDT-1m-2025-10-20.zip  (and .zip.CHECKSUM)

https://github.com/binance/binance-public-data
"""

import hashlib
import io
import re
import zipfile
import zlib

import msgspec
from loguru import logger

from ingest.answers import Answers
from ingest.backfill.klines import CLOSE, OPEN, TRADES, Page
from ingest.backfill.wanted import Day, Plan
from ingest.http import Host, Refused
from ingest.progress import Progress
from ingest.side_by_side import side_by_side
from runner.moments import DAY_US

CHECKSUM = re.compile(r"\s*([0-9a-fA-F]{64})\b")
WHOLE = re.compile(r"[0-9]{1,18}")
TOTAL_S = 300.0
AT_ONCE = 8
NUMBERS = {OPEN, CLOSE, TRADES}
NOT_FOUND = 404


class Days:
    """Fetches whole days. `candles`: how many were kept; `refused`: a sentence for each day that
    cannot be believed; `absent`: the files that are not there (yet); `unchecked`: those that came
    without a checksum.
    """

    def __init__(self, host: Host, plan: Plan, answers: Answers, progress: Progress) -> None:
        self.candles, self.refused = 0, []
        self.absent, self.unchecked = [], []
        self._host, self._plan, self._answers, self._progress = host, plan, answers, progress

    async def fetch(self, days: list[Day]) -> None:
        await side_by_side(self._fetch, days, AT_ONCE)

    async def _fetch(self, day: Day) -> None:
        interval = self._plan.wanted.interval
        name = f"{day.symbol}-{interval}-{day.day}.zip"
        path = f"/data/spot/daily/klines/{day.symbol}/{interval}/{name}"
        try:
            asked, text, fetched_us = await self._believed(path, name)
            count = self._check(text, day.from_us)
        except _NotThere:
            self.absent.append(name)
        except _Unbelievable as error:
            self.refused.append(f"{self._host.url}{path}: {error}")
        else:
            asked = {"symbol": day.symbol, "interval": interval, "day": day.day, **asked}
            self._answers.append(day.symbol, fetched_us, asked, msgspec.json.encode(text))
            self.candles += count
        self._progress.add(DAY_US // self._plan.wanted.width_us)

    async def _believed(self, path: str, name: str) -> tuple[dict, str, int]:
        """(what was asked and its hashes, the CSV, when); fetched once more when it is damaged."""
        try:
            return await self._fetched(path, name)
        except _Unbelievable as error:
            logger.debug("{}: {}, fetching it again", path, error)
        try:
            return await self._fetched(path, name)
        except _Unbelievable as error:
            raise _Unbelievable(
                f"{error}, fetched twice; nothing of it was stored: run the same command again"
                " later, or without --source archive"
            ) from None

    async def _fetched(self, path: str, name: str) -> tuple[dict, str, int]:
        checksum = await self._checksum(path)
        try:
            answer = await self._host.get(path, as_json=False, total_s=TOTAL_S)
        except Refused as refused:
            raise _NotThere if refused.status == NOT_FOUND else refused from None
        sha256 = hashlib.sha256(answer.body).hexdigest()
        if checksum not in (None, sha256):
            raise _Unbelievable("its sha256 is not the one of its CHECKSUM")
        text = _csv(answer.body)
        if checksum is None:
            self.unchecked.append(name)
        asked = {"url": f"{self._host.url}{path}", "sha256": sha256, "checksum": checksum}
        asked["etag"] = answer.headers.get("ETag")
        asked["last_modified"] = answer.headers.get("Last-Modified")
        return asked, text, answer.fetched_us

    async def _checksum(self, path: str) -> str | None:
        """The sha256 that the archive tells, "unreadable", or None where there is none."""
        try:
            answer = await self._host.get(f"{path}.CHECKSUM", as_json=False)
        except Refused as refused:
            if refused.status != NOT_FOUND:
                raise
            return None
        match = CHECKSUM.match(answer.body[:200].decode(errors="replace"))
        return match[1].lower() if match else "unreadable"

    def _check(self, text: str, from_us: int) -> int:
        """How many candles a day's CSV holds; _Unbelievable unless it is each one, once."""
        width_us = self._plan.wanted.width_us
        page = Page(_rows(text), from_us, from_us + DAY_US, width_us)
        flaw = page.flaw
        if not flaw and not page.has(from_us, from_us + DAY_US):
            flaw = f"it holds {len(page.rows):,} of {DAY_US // width_us:,} candles"
        if flaw:
            raise _Unbelievable(
                f"{flaw}; nothing of it was stored: fetch the day without --source archive"
            )
        return len(page.rows)


class _NotThere(Exception):
    """The archive has no such file."""


class _Unbelievable(Exception):
    """A file that cannot be kept; the text says why."""


def _csv(content: bytes) -> str:
    """The one file in a zip, as text."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            return opened.read(opened.namelist()[0]).decode()
    except (zipfile.BadZipFile, zlib.error, EOFError, IndexError) as error:
        raise _Unbelievable(f"it is no whole zip ({error})") from None
    except (NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise _Unbelievable(f"it cannot be read ({error})") from None


def _rows(text: str) -> list[list[int | str]]:
    r"""The rows of a CSV as REST gives them; a first line without numbers is a header.

    >>> _rows("open_time,open\n1735689600000000,93576.0\n")
    [[1735689600000000, '93576.0']]
    """
    lines = text.splitlines()
    if lines and not lines[0][:1].isdigit():
        del lines[0]
    return [
        [
            int(field) if position in NUMBERS and WHOLE.fullmatch(field) else field
            for position, field in enumerate(line.split(","))
        ]
        for line in lines
    ]
