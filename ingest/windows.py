"""What a fetching command still has to ask for: the SQL of sql/fetching over the answers so far."""

from dataclasses import dataclass
from pathlib import Path

from runner import catalog
from runner.asking import ask
from runner.build.publish import file_list
from runner.config import Lake
from runner.models.models import Models
from runner.moments import DAY_US, day_of
from runner.paths import encode, is_day

# Older answers say nothing of what a source still has, save where the newest one ended.
KEPT_DAYS = 31


@dataclass(frozen=True)
class Window:
    """A stretch of time to ask for; its end is exclusive. Times in µs."""

    name: str
    from_us: int
    to_us: int


@dataclass(frozen=True)
class Source:
    """How a source is asked. Times in µs.

    `answered`: the file of sql/fetching that reads its answers; `place`: where these lie below
    raw/; `step_us`: its grid; `span_us`: how long after a point of the grid there is something;
    `settle_us`: for how long that may change; `chunk_us`: what one request may span; `wall_us`:
    how long the source keeps it; `time`: the field with a row's time; `lead_us`: how much of what
    is known already a request begins with.
    """

    answered: str
    place: str
    step_us: int
    span_us: int
    settle_us: int
    chunk_us: int
    wall_us: int
    time: str = ""
    lead_us: int = 0


class Planner:
    """A connection that says what to ask a source for, at one moment."""

    def __init__(self, lake: Lake, source: Source, names: tuple[str, ...], now_us: int) -> None:
        self.lake, self.source, self.now_us = lake, source, now_us
        self.models, self.con = Models(lake), catalog.connect(lake)
        self.con.execute("set variable asked_names = $1::varchar[]", [list(names)])
        files = [path for name in names for path in self._answers(name)]
        self.values = {name: getattr(source, name) for name in source.__dataclass_fields__}
        self.values["answered"] = f"sql/fetching/{source.answered}.jinja"
        self.values |= {"files": file_list(files) if files else "", "now_us": now_us}

    def __enter__(self) -> "Planner":
        return self

    def __exit__(self, *exception: object) -> None:
        self.con.close()

    def windows(self, first_days: int, later_days: int) -> list[Window]:
        """What to ask for, in order: a name's oldest stretch first, so that none is left behind.

        `first_days`, `later_days`: how far a name without answers and one with answers looks back,
        the latter at least to the end of its newest answer.
        """
        days = {"first_us": first_days, "later_us": later_days}
        values = {name: number * DAY_US for name, number in days.items()}
        return [Window(*row) for row in self._rows("windows", **values)]

    def lost(self) -> list[Window]:
        """What was not asked for as long as the source had it."""
        return [Window(*row) for row in self._rows("lost")]

    def stored(self, relation: str) -> int:
        """Rows of a relation, as far back as the source reaches."""
        return self._rows("stored", relation=relation)[0][0]

    def _answers(self, name: str) -> list[Path]:
        """The files with a name's answers: those of the last weeks, and the newest there is."""
        folder = self.lake.base / "raw" / self.source.place / encode(name)
        days = sorted(path for path in folder.glob("*") if is_day(path.name))
        first = day_of(max(self.now_us - KEPT_DAYS * DAY_US, 0))
        young = [day for day in days if day.name >= first] or days[-1:]
        return [file for day in young for file in sorted(day.glob("answers*.jsonl"))]

    def _rows(self, name: str, **values) -> list[tuple]:
        path = self.models.file(f"sql/fetching/{name}.sql.jinja")
        return ask(self.con, self.models, path, **self.values, **values)
