"""The SQL of sql/slices, asked of a lake for one slice."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from runner.asking import ask
from runner.build.publish import sql_text
from runner.models.models import Models
from runner.moments import WIDTHS_US
from runner.slices.request import SOURCES, Request

ROWS_AT_ONCE = 1_000_000
FORMATS = {
    "parquet": "format parquet, compression zstd, compression_level 1, row_group_size 122880",
    "csv": "format csv, header, timestampformat '{time}'",
}
SECONDS, MICROSECONDS = "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"


class Query:
    """A connection that is asked about a slice. ClickException names a file whose SQL is wrong."""

    def __init__(self, con: duckdb.DuckDBPyConnection, models: Models, request: Request):
        self.con, self.models, self.request = con, models, request

    def choose(self, symbols: list[str], start_us: int, end_us: int, exchange: str = "") -> None:
        """What the SQL reads by getvariable()."""
        self.con.execute("set variable slice_symbols = $1::varchar[]", [symbols])
        self.con.execute("set variable slice_exchange = $1", [exchange])
        self.con.execute("set variable slice_start = make_timestamptz($1)", [start_us])
        self.con.execute("set variable slice_end = make_timestamptz($1)", [end_us])

    def rows(self, name: str, statement: Callable[[str], str] = str) -> list[tuple]:
        """The rows of a file's query, or of the statement that is made of it."""
        source = SOURCES[self.request.source]
        return ask(
            self.con,
            self.models,
            self.models.file(f"sql/slices/{name}.sql.jinja"),
            statement,
            relation=self.request.relation,
            source=source.stored or self.request.relation,
            time=source.time,
            key=source.key,
            width_us=WIDTHS_US.get(self.request.tf),
            rows_at_once=ROWS_AT_ONCE,
        )

    def dicts(self, name: str) -> list[dict]:
        """The same, each row by its columns' names."""
        rows = self.rows(name)
        names = [column[0] for column in self.con.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def copy_chosen(self, path: Path) -> None:
        """Write the rows that were chosen to a Parquet file."""
        self.rows("rows", lambda sql: self._copy_sql(sql, path, "parquet"))

    def copy(self, source: str, path: Path, form: str) -> int:
        """Write the rows of an SQL source to a file (parquet or csv); returns how many."""
        return self.con.execute(self._copy_sql(f"from {source}", path, form)).fetchone()[0]

    def _copy_sql(self, sql: str, path: Path, form: str) -> str:
        time = SECONDS if self.request.tf else MICROSECONDS
        return f"copy ({sql}\n) to '{sql_text(path)}' ({FORMATS[form].format(time=time)})"
