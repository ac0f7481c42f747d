"""What a validation looks at: the range asked for, and the relations that rules and reports read.

In the connection of a validation each day-filed relation bears its own name and is narrowed to the
symbols and days asked for. The files of reports/checked add what is known of files and grid.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import duckdb

from runner.build.build import did_you_mean
from runner.build.publish import sql_text
from runner.files import sha256
from runner.models.models import Models
from runner.moments import DAY_US, WIDTHS_US, day_of, microseconds
from runner.validation.look import Look


@dataclass(frozen=True)
class Choice:
    """What a validation is asked for. Times in microseconds; None: yesterday and today."""

    symbols: frozenset[str] = frozenset()
    start_us: int | None = None
    end_us: int | None = None
    tf: str = "1s"
    source: str = "bars"


class Checked(Look):
    """A connection to a lake with all that rules and reports read, and `values` for their SQL."""

    def __init__(
        self, models: Models, choice: Choice, con: duckdb.DuckDBPyConnection | None = None
    ):
        super().__init__(models, con)
        self.choice = choice
        self._refuse_unknown()
        self.values |= self._range()
        self._narrow()
        self._bars()
        self.make(f"spans_of_{choice.source}", "spans")
        for name in ("asked_days", "edge_bars", "latencies", "asked_files"):
            self.make(name)
        self.read_files()
        self._hash_sealed()
        self.make("hashed_files")

    def _range(self) -> dict:
        """The range asked for; by default yesterday and today, in a lake of the past its last two
        days.
        """
        today = self._today()
        start, end = self.choice.start_us, self.choice.end_us
        end = microseconds(today) + DAY_US if end is None else end
        start = (end - 1) // DAY_US * DAY_US - DAY_US if start is None else start
        if start >= end:
            raise click.UsageError(
                "--start must lie before --end (which is the first moment after)"
            )
        wanted = self.choice.symbols
        recorded = {name for one in self.models.lake.config.exchanges for name in one.symbols}
        return {
            "from_us": start,
            "to_us": end,
            "from_day": day_of(start),
            "until_day": day_of(end - 1),
            "today": today,
            "is_start_given": self.choice.start_us is not None,
            "is_wanted": f"symbol in {sql_list(wanted)}" if wanted else "true",
            "expected": sql_list(self.choice.symbols or recorded),
            "tf": self.choice.tf,
            "width_us": WIDTHS_US[self.choice.tf],
            "source": self.choice.source,
        }

    def _today(self) -> str:
        """The day that it is for this lake: its last one where nothing is recorded live."""
        [(newest, first_session)] = self.con.execute(self.sql("lake_days")).fetchall()
        query = "select bool_or(mode = 'live') from sessions where day = $day"
        is_live = first_session and self.con.execute(query, {"day": first_session}).fetchone()[0]
        if newest and not is_live:
            return newest.isoformat()
        return datetime.now(UTC).date().isoformat()

    def _bars(self) -> None:
        """Make `checked_bars`; of klines that nobody has fetched yet there is none."""
        if self.choice.source == "klines" and not self.has("klines"):
            self.make("checked_bars", kind="view", from_us=0, to_us=0)
        else:
            self.make(f"checked_{self.choice.source}", "checked_bars", "view")

    def _refuse_unknown(self) -> None:
        """Refuse a symbol that has nothing in this lake."""
        known = {
            row[0] for row in self.con.execute("select distinct symbol from all_files").fetchall()
        }
        for name in sorted(self.choice.symbols - known):
            hint = did_you_mean(name, known - {None, "_schema"})
            base = self.models.lake.base
            raise click.ClickException(f"--symbols: there is nothing of {name} in {base}{hint}")

    def _narrow(self) -> None:
        """Let each relation that has days show only what is asked for."""
        columns = self.con.execute(
            "select table_name, bool_or(column_name = 'symbol') from duckdb_columns() "
            "where schema_name = 'main' and database_name = 'memory' "
            "group by all having bool_or(column_name = 'day')"
        ).fetchall()
        for name, has_symbol in columns:
            values = {"relation": name, "has_symbol": has_symbol}
            self.make("narrowed", name, "view", **values)

    def _hash_sealed(self) -> None:
        """Load the hashes that sealed files have now."""
        self.con.execute("create temp table hashes (file varchar, sha256 varchar)")
        if not self.has("archive"):
            return
        rows = self.con.execute(
            "select file from asked_files semi join archive using (relation, exchange, symbol, day)"
        ).fetchall()
        for (file,) in rows:
            self.con.execute("insert into hashes values (?, ?)", [file, sha256(Path(file))])


def sql_list(names: Iterable[str]) -> str:
    """Names as a DuckDB list.

    >>> sql_list({"B", "it's"})
    "['B', 'it''s']"
    """
    return "[" + ", ".join(f"'{sql_text(name)}'" for name in sorted(names)) + "]"
