"""The rules: each file of sql/rules says what must hold and returns the rows that break it.

Beside its sentence a rule's header holds `severity` (critical, major or minor), `breaks` (a
statement that makes clean data break it, for the tests), and where they differ from the usual:
`checks` (a query that counts what the rule is asked of; else all checked bars), `absent` (what to
say where there is nothing of it, or not even the relation) and `fails_from` (the share of what was
checked from which a rule that is not critical fails a validation all the same).
"""

import re
from typing import Literal

import click
import duckdb
import msgspec

from runner.asking import Absent, Unreadable, asking, read
from runner.models.models import Models
from runner.models.sql_files import Model

COLUMNS = ["exchange", "symbol", "window_start", "detail"]
SEVERITIES = ("critical", "major", "minor")
CHECKED = "select count(*) from checked_bars"
ROWS_SHOWN = 25


class Violation(msgspec.Struct, frozen=True):
    """A row that breaks a rule; `window_start` is a time in UTC as text, or null."""

    exchange: str | None
    symbol: str | None
    window_start: str | None
    detail: str | None


class Result(msgspec.Struct, frozen=True):
    """What a rule found. `rows`: the first violations, by time; `why`: of what was not checked."""

    label: str
    name: str
    sentence: str
    severity: str
    outcome: Literal["kept", "broken", "not applicable", "not checked"]
    checked: int = 0
    violations: int = 0
    fails: bool = False
    why: str = ""
    rows: list[Violation] = []

    @property
    def share(self) -> float:
        """Violations as a share of what was checked."""
        return self.violations / self.checked if self.checked else 0.0


def rules(models: Models) -> list[Model]:
    """The rules of a lake, R2 before R10; ClickException for one whose header is not complete."""
    found = [model for model in models.models.values() if model.is_rule]
    for rule in found:
        missing = [key for key in ("severity", "breaks") if key not in rule.keys]
        if missing or rule.keys["severity"] not in SEVERITIES:
            raise click.ClickException(
                f"{rule.path}, line 1: a rule's first comment must hold `-- severity:` "
                f"({', '.join(SEVERITIES)}) and `-- breaks:`"
            )
    return sorted(found, key=lambda rule: (int(re.sub(r"\D", "", label(rule)) or 0), rule.name))


def label(rule: Model) -> str:
    """What a report calls a rule: R14 for the file r14_volume_spikes.sql."""
    return rule.name.partition("_")[0].upper()


def check(con: duckdb.DuckDBPyConnection, models: Models, rule: Model, values: dict) -> Result:
    """Ask a rule of the relations of a connection; ClickException where its SQL is at fault."""
    about = (label(rule), rule.name, rule.sentence, rule.keys["severity"])
    sql = models.render(rule.name, **values)
    keys = {
        key: models.rendered(rule.path, text, **values)
        for key, text in rule.keys.items()
        if key in ("checks", "fails_from")
    }
    absent = rule.keys.get("absent")
    try:
        with asking(rule.path, may_be_absent=absent is not None):
            [(checked,)] = read(con, keys.get("checks", CHECKED))
            if not checked:
                return Result(*about, "not applicable", why=absent or "nothing to check")
            violations, rows = _violations(con, rule, sql)
    except Absent:
        return Result(*about, "not applicable", why=absent)
    except Unreadable as error:
        return Result(*about, "not checked", why=str(error))
    checked, outcome = int(checked), "broken" if violations else "kept"
    most = float(keys.get("fails_from", "inf"))
    fails = bool(violations) and (
        rule.keys["severity"] == "critical" or violations >= most * checked
    )
    return Result(*about, outcome, checked, violations, fails, rows=rows)


def _violations(
    con: duckdb.DuckDBPyConnection, rule: Model, sql: str
) -> tuple[int, list[Violation]]:
    """How many rows break a rule, and the first of them by time."""
    rows = read(con, f"from ({sql}) order by 3, 1, 2, 4 limit {ROWS_SHOWN}")
    names = [column[0] for column in con.description]
    if names != COLUMNS:
        raise click.ClickException(
            f"{rule.path}: a rule returns {', '.join(COLUMNS)}; this one {', '.join(names)}"
        )
    count = len(rows)
    if count == ROWS_SHOWN:
        [(count,)] = read(con, f"select count(*) from ({sql})")
    return count, [_violation(*row) for row in rows]


def _violation(exchange, symbol, window_start, detail) -> Violation:
    """A row as the report and its JSON show it."""
    time = window_start and f"{window_start:%Y-%m-%dT%H:%M:%SZ}"
    return Violation(exchange, symbol, time, None if detail is None else str(detail))
