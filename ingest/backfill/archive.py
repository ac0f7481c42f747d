"""Official klines from the archive: one zip a symbol and UTC day."""

import re
from collections.abc import Iterable

import msgspec

from ingest import zips
from ingest.answers import Answers
from ingest.backfill.klines import CLOSE, OPEN, TRADES, Page
from ingest.backfill.wanted import Day, Plan
from ingest.http import Host
from ingest.progress import Progress
from ingest.side_by_side import side_by_side
from ingest.zips import Damaged, Zipped
from runner.moments import DAY_US

WHOLE = re.compile(rb"[0-9]{1,18}")
TOTAL_S = 300.0
AT_ONCE = 8
NUMBERS = {OPEN, CLOSE, TRADES}


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
            file = await zips.fetch(self._host, path, TOTAL_S)
            if file is None:
                self.absent.append(name)
            else:
                self._keep(day, path, file)
        except Damaged as damaged:
            self.refused.append(
                f"{self._host.url}{path}: {damaged}; nothing of it was stored: fetch the day"
                " without --source archive"
            )
        self._progress.add(DAY_US // self._plan.wanted.width_us)

    def _keep(self, day: Day, path: str, file: Zipped) -> None:
        """Keep a day's file as an answer; Damaged for what is no text, or holds not each candle of
        the day, once.
        """
        interval, width_us = self._plan.wanted.interval, self._plan.wanted.width_us
        try:
            with file.opened() as opened:
                text = opened.read().decode()
        except UnicodeDecodeError as error:
            raise Damaged(f"it cannot be read ({error})") from None
        page = Page(_rows(file.lines()), day.from_us, day.from_us + DAY_US, width_us)
        flaw = page.flaw
        if not flaw and not page.has(day.from_us, day.from_us + DAY_US):
            flaw = f"it holds {len(page.rows):,} of {DAY_US // width_us:,} candles"
        if flaw:
            raise Damaged(flaw)
        if file.told is None:
            self.unchecked.append(path.rpartition("/")[2])
        headers, checksum = file.answer.headers, file.told and file.sha256
        asked = {
            **{"symbol": day.symbol, "interval": interval, "day": day.day},
            **{"url": f"{self._host.url}{path}", "sha256": file.sha256, "checksum": checksum},
            **{"etag": headers.get("ETag"), "last_modified": headers.get("Last-Modified")},
        }
        kept = msgspec.json.encode(text)
        self._answers.append(day.symbol, file.answer.fetched_us, asked, kept)
        self.candles += len(page.rows)


def _rows(lines: Iterable[bytes]) -> list[list[int | str]]:
    """The rows of a CSV as REST gives them.

    >>> _rows([b"1735689600000000,93576.0"])
    [[1735689600000000, '93576.0']]
    """
    return [
        [
            int(field) if position in NUMBERS and WHOLE.fullmatch(field) else field.decode()
            for position, field in enumerate(line.split(b","))
        ]
        for line in lines
    ]
