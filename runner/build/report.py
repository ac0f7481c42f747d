"""What a build did, or with a dry run would do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.build.answers import Answers
    from runner.build.raw_hours import Hour
    from runner.build.unit import Unit

SHOWN_IGNORED = 5
UP_TO_DATE = "nothing is stale: everything is up to date"


@dataclass(frozen=True)
class Perhaps:
    """A relation of a symbol or ticker that a dry run cannot speak of yet: which of its files
    change is known after a first step. `days`: those that come to mind, as far as one knows.
    """

    relation: str
    symbol: str
    day: str
    once: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.relation, self.symbol, self.day)))


@dataclass
class Report:
    """What a build did, or with a dry run would do. `lines` and `rejects`: of the hours staged;
    `unread`: the files of answers staged that have unreadable lines, with the first of these;
    `perhaps`: only of a dry run.
    """

    staged: list[tuple["Hour", str]] = field(default_factory=list)
    answers: list[tuple["Answers", str]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    units: list["Unit"] = field(default_factory=list)
    perhaps: list[Perhaps] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    catalog: str | None = None
    ignored: list[Path] = field(default_factory=list)
    lines: int = 0
    rejects: int = 0
    rows: int = 0
    seconds: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was stale."""
        found = (self.staged, self.answers, self.units, self.failed, self.catalog)
        return not any(found)

    def good(self, results: list) -> list:
        """The results that are no failures; those go into `failed`, once each."""
        for result in results:
            if isinstance(result, click.ClickException) and result.message not in self.failed:
                self.failed.append(result.message)
        return [result for result in results if not isinstance(result, click.ClickException)]

    def told(self) -> list[str]:
        """What a person wants to know of a build, a line each."""
        if self.is_empty:
            return [*self.told_ignored(), UP_TO_DATE]
        lines = self.told_ignored()
        if self.staged:
            rejected = (
                f", {self.rejects:,} of them unreadable (see `rejects`)" if self.rejects else ""
            )
            lines.append(
                f"staged {len(self.staged):,} hours of raw: {self.lines:,} lines{rejected}"
            )
        if self.answers:
            lines.append(f"staged {len(self.answers):,} files of answers")
        lines += [f"not exactly readable, see `rejects`: {one}" for one in self.unread]
        if self.units:
            lines.append(
                f"published {len(self.units):,} files, {self.rows:,} rows, in {self.seconds:.1f} s"
            )
        return lines + ([self.catalog] if self.catalog else [])

    def told_ignored(self) -> list[str]:
        """What lies among the raw files and is none, in one line."""
        if not self.ignored:
            return []
        shown = ", ".join(ascii(str(path))[1:-1] for path in self.ignored[:SHOWN_IGNORED])
        rest = len(self.ignored) - SHOWN_IGNORED
        more = f" and {rest:,} more" if rest > 0 else ""
        return [f"not read, as no raw part is named so: {shown}{more}"]
