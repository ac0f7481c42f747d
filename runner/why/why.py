"""`lake why`: one bar of one second explained, from its state down to the raw lines.

The files of reports/why say it all: those of reports/why/known make what the others ask.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from runner import catalog
from runner.asking import Absent, Unreadable, asking, read
from runner.build import metadata, notes
from runner.build.build import did_you_mean
from runner.build.publish import sql_text, target
from runner.config import Lake
from runner.models import sql_files
from runner.models.models import Models
from runner.moments import DAY_US, SECOND_US, day_of, iso
from runner.next_step import to_bars
from runner.validation.checked import Checked, Choice
from runner.validation.rules import check, rules
from runner.why import raw as why_raw

SECTIONS = "reports/why"
MADE_BY = {"file": "VARCHAR", "hash": "VARCHAR", "hash_now": "VARCHAR"}
PARTS = {"day": "DATE", "file": "VARCHAR", "place": "VARCHAR"}
BROKEN = {
    "number": "BIGINT",
    "rule": "VARCHAR",
    "severity": "VARCHAR",
    "found_at": "VARCHAR",
    "detail": "VARCHAR",
}


@dataclass(frozen=True)
class Section:
    """What one file of reports/why tells; `absent`: what to say where it has no rows. A section
    with the one column `said` is text.
    """

    name: str
    title: str
    absent: str
    columns: list[str]
    rows: list[tuple]


class Why:
    """A connection in which all that is known of one bar lies ready, and `values` for its SQL."""

    def __init__(self, lake: Lake, symbol: str, moment_us: int):
        self.models, self.lake, self.symbol = Models(lake), lake, symbol
        self.from_us = moment_us // SECOND_US * SECOND_US
        self.values = {
            "symbol": sql_text(symbol),
            "from_us": self.from_us,
            "day": day_of(self.from_us),
            "day_before": day_of(self.from_us - DAY_US),
            "day_after": day_of(self.from_us + DAY_US),
        }
        self.con = catalog.connect(lake)
        for macro in self.models.macros.sql():  # a lake's catalog may be older than a macro
            self.con.execute(macro)

    def sections(self) -> list[Section]:
        """All that is told of the bar; ClickException for a second that no bar is of."""
        with self.con, TemporaryDirectory(prefix="lake-why-") as scratch:
            self._know(Path(scratch))
            files = sql_files.files(self.models.roots, SECTIONS, "*.sql.jinja")
            return [self._section(path) for path in files]

    def _know(self, scratch: Path) -> None:
        """Make what the sections ask: the bar, what is near, its raw lines, its rules, its SQL."""
        self.con.execute(f"set temp_directory = '{sql_text(scratch / 'spill')}'")
        self._make("bar")
        found = self.con.execute("select exchange, state from bar").fetchall()
        if not found:
            self._refuse()
        [(exchange, self.values["state"])] = found
        raw = why_raw.Near(self.lake.base, exchange, self.symbol, self.from_us)
        self.values["raw_folder"] = f"{raw.folder.as_posix()}/"
        for stream in ("trades", "quotes", "rejects"):
            self.values[f"staged_{stream}"] = raw.staged(stream)
        self._make("near_trades")
        self._make("near_quote")
        hours = [hour for (hour,) in self._ask(self._path("receipts"))[1]]
        self.values["raw_files"] = files = raw.parts(hours, scratch)
        if files:
            texts = self.models.render("line_texts", raw_files=files)
            self.con.execute(f"create temp view line_texts as {texts}")
        self._make("near_lines")
        self._load("raw_parts", PARTS, raw.places())
        self._made_by(exchange)
        self._broken_rules()

    def _path(self, name: str) -> Path:
        return self.models.file(f"{SECTIONS}/known/{name}.sql.jinja")

    def _make(self, name: str) -> None:
        """Make a table of a file of reports/why/known."""
        self._ask(self._path(name), f"create temp table {name} as ")

    def _ask(self, path: Path, head: str = "") -> tuple[list[str], list[tuple]]:
        """The columns and rows of a file's query; ClickException where a file is unreadable."""
        sql = self.models.rendered(path, sql_files.read(path), **self.values)
        try:
            with asking(path, may_be_absent=True):
                rows = read(self.con, head + sql)
                return [column[0] for column in self.con.description], rows
        except Unreadable as error:
            raise click.ClickException(str(error)) from error

    def _section(self, path: Path) -> Section:
        sentence, keys = sql_files.header(path, sql_files.read(path))
        title = self.models.rendered(path, sentence, **self.values)
        try:
            columns, rows = self._ask(path)
        except Absent:
            columns, rows = [], []
        name = path.name.partition(".")[0].partition("_")[2]
        return Section(name, title, keys.get("absent", "nothing"), columns, rows)

    def _refuse(self) -> None:
        """Say why no bar is of the second."""
        when = iso(self.from_us)
        [(first, last, has_day)] = self._ask(self._path("span"))[1]
        if first is None:
            known = [
                row[0] for row in self.con.execute("select symbol from latest_price").fetchall()
            ]
            lacks = to_bars(self.lake) or f"there are bars of {', '.join(sorted(known))}"
            hint = did_you_mean(self.symbol, known) or f"; {lacks}"
            raise click.ClickException(f"there are no bars of {self.symbol}{hint}")
        inside = f"{day_of(self.from_us)} was not recorded" if not has_day else "no bar is of it"
        why = inside if first <= self.from_us <= last else "it lies outside"
        raise click.ClickException(
            f"{self.symbol} has no bar of {when}: its bars go from {iso(first)} to {iso(last)}, "
            f"and {why}"
        )

    def _made_by(self, exchange: str) -> None:
        """Load which SQL files, in which state, made the file of the bar's day."""
        model = self.models["bars_1s"]
        path = target(self.lake.base, model, exchange, self.symbol, self.values["day"])
        noted = metadata.read(self.con, [path])
        made, now = noted[path].sql if path in noted else {}, self.models.fingerprint("bars_1s")
        rows = [(file, made.get(file), now.get(file)) for file in sorted(made | now)]
        self._load("made_by", MADE_BY, rows)

    def _broken_rules(self) -> None:
        """Load what the rules find in this second, and what they say of its whole day."""
        end_us = self.from_us + SECOND_US
        choice = Choice(frozenset([self.symbol]), self.from_us, end_us)
        checked = Checked(self.models, choice, self.con.cursor())
        found = []
        with checked.con as con:
            for number, rule in enumerate(rules(self.models)):
                result = check(con, self.models, rule, checked.values)
                about = (number, f"{result.label} {result.sentence}", result.severity)
                found += [
                    (*about, row.window_start, row.detail)
                    for row in result.rows
                    if row.symbol in (None, self.symbol)
                ]
        self._load("broken_rules", BROKEN, found)

    def _load(self, name: str, types: dict[str, str], rows: list[tuple]) -> None:
        notes.load(self.con, name, [dict(zip(types, row, strict=True)) for row in rows], types)
