"""A unit of the plan: one file to publish, and why."""

from dataclasses import dataclass, field
from pathlib import Path

from runner.build.metadata import Published
from runner.models.fingerprint import why_changed


@dataclass(frozen=True)
class Unit:
    """One file of a relation. `sources`: the files it is made from; `inputs` and `note` go into its
    metadata.

    `hours` (since 1970): the hours of bars to compute, where the others come from the file that is
    there.
    `symbol`: or ticker; `interval`: only of what has one.
    `context`: what the plan knows and the execution needs, by relation.
    """

    relation: str
    exchange: str
    symbol: str | None
    day: str
    path: Path
    why: str
    sources: tuple[Path, ...] = ()
    hours: tuple[int, ...] = ()
    inputs: dict = field(default_factory=dict, hash=False)
    note: dict = field(default_factory=dict, hash=False)
    context: dict = field(default_factory=dict, hash=False)
    interval: str = ""

    @property
    def reads(self) -> set[Path]:
        """The files that it is made from."""
        found = set(self.sources)
        for paths in self.context.get("sources", {}).values():
            found |= {paths} if isinstance(paths, Path) else set(paths or ())
        return found

    def reads_published(self, workshop: Path) -> bool:
        """Whether bars are made from day files of ticks, not from hour parts alone."""
        sources = self.context.get("sources", {}).values() if self.relation == "bars_1s" else ()
        return any(not path.is_relative_to(workshop) for paths in sources for path in paths)

    def __str__(self) -> str:
        of = " ".join(filter(None, (self.symbol or self.exchange, self.interval)))
        return f"{self.relation} {of} {self.day}"


def why_stale(found: Published | None, sql: dict[str, str], inputs: dict) -> str | None:
    """Why a published file is stale; None when a rebuild would make the same."""
    if found is None:
        return "not there"
    return why_changed(found.sql, sql) or (None if found.inputs == inputs else "its input changed")
