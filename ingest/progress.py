"""How far a long fetch is: a bar on a terminal, a line of the log now and then elsewhere."""

import sys
import time
from types import TracebackType

from loguru import logger

LOG_EVERY_S = 10.0


class Progress:
    """Counts `unit` up to `total`, from `with` on."""

    def __init__(self, doing: str, unit: str, total: int) -> None:
        self._doing, self._unit, self._total = doing, unit, total
        self._done, self._bar = 0, None
        self._begun = self._told = time.monotonic()

    def __enter__(self) -> "Progress":
        self._begun = self._told = time.monotonic()
        if self._total and sys.stderr is not None and sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task(self._doing, total=self._total, unit=self._unit)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def add(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        if self._bar:
            self._bar.advance(self._task, count)
        elif time.monotonic() - self._told >= LOG_EVERY_S:
            self._told = time.monotonic()
            logger.info("{}: {}", self._doing, self.line(self._told - self._begun))

    def line(self, seconds: float) -> str:
        """How far it is after so many seconds.

        >>> progress = Progress("klines", "candles", 3_000)
        >>> progress.add(1_000)
        >>> progress.line(4.0)
        '1,000 of 3,000 candles (33 %), 250/s, 8 s left'
        """
        rate = self._done / seconds
        left_s = (self._total - self._done) / rate if rate else 0.0
        share = 100 * self._done // (self._total or 1)
        return (
            f"{self._done:,} of {self._total:,} {self._unit} ({share} %), {rate:,.0f}/s,"
            f" {left_s:,.0f} s left"
        )


def _bar():
    """A bar on stderr that goes away at the end, with count, rate and the time left."""
    # Imported here: it takes a tenth of a second and most runs have no terminal.
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    class _Rate(ProgressColumn):
        def render(self, task) -> str:
            return f"{task.speed or 0:,.0f}/s"

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} {task.fields[unit]}"),
        _Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
