"""What a slice may be asked for: its source, symbols, stretch of time and file."""

from dataclasses import dataclass
from pathlib import Path

from runner.moments import iso


@dataclass(frozen=True)
class Source:
    """What a slice reads: the relation that its day files belong to (None: the sliced one itself),
    its columns of time and key, the SQL that finds its gaps, and the stored relations that reads.
    """

    stored: str | None
    time: str
    key: str
    gaps: tuple[str, ...]
    proof: tuple[str, ...]


SOURCES = {
    "bars": Source("bars_1s", "window_start", "window_start", ("dark",), ("bars_1s", "tape_days")),
    "klines": Source(None, "window_start", "window_start", ("missing",), ()),
    "trades": Source(
        "trades", "ts_event", "trade_id", ("dark", "unmatched"), ("bars_1s", "tape_days")
    ),
    "quotes": Source("quotes", "ts_event", "update_id", ("uncovered",), ("covers",)),
}


@dataclass(frozen=True)
class Request:
    """A slice that is asked for: no symbols are all; times in microseconds, the end exclusive;
    `tf` is None for trades and quotes.
    """

    source: str
    tf: str | None
    symbols: tuple[str, ...]
    start_us: int
    end_us: int
    out: Path
    allow_dark: bool = False

    @property
    def relation(self) -> str:
        return f"{self.source}_{self.tf}" if self.tf else self.source

    def __str__(self) -> str:
        return f"{iso(self.start_us)} to {iso(self.end_us)}"
