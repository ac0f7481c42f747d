"""The final acceptance of a whole lake: each file of sql/checks is asked, and told in a line.

A check's header holds, beside its sentence, `checks` (a query that says what was looked at) and
`absent` (what to say where there is nothing of it, or not even the relation). Its rows are what
breaks it: `verdict` (FAIL or WARN), `place`, `detail`, and `advice`, what to do about it.
"""

from collections.abc import Iterator

import click
import duckdb
import msgspec

from runner.asking import Absent, Unreadable, asking, read
from runner.config import Lake, in_force
from runner.lock import hold
from runner.models.models import Models
from runner.models.sql_files import Model
from runner.validation.facts import Facts
from runner.validation.report import wrapped

COLUMNS = ["verdict", "place", "detail", "advice"]
VERDICTS = {"PASS": "PASS", "WARN": "PASS_WITH_WARNINGS", "FAIL": "FAIL"}
ROWS_KEPT = 25
WAIT_S = 60
INDENT = " " * 18


class Line(msgspec.Struct, frozen=True):
    """What one check found. `found`: how many rows break it; `rows`: the first of them."""

    name: str
    verdict: str
    sentence: str
    found: int = 0
    rows: list[str] = []

    def __str__(self) -> str:
        return wrapped(f"{self.verdict}  {self.name:10}  {self.sentence}", INDENT)


class Checkup(msgspec.Struct, frozen=True):
    """The verdict on a lake, its reason, and all checks. `lake` and `data`: its config.yml and its
    data folder, None where the configuration cannot be read.
    """

    verdict: str
    reason: str
    lake: str | None
    data: str | None
    is_deep: bool
    checks: list[Line]


def checked(lake: Lake, is_deep: bool) -> Iterator[Line]:
    """Ask all checks, one after the other; ClickException where the SQL of one is at fault.

    What fails while a build replaces files may be of two moments: it is asked once more, and builds
    wait for that.
    """
    models = Models(lake)
    facts = Facts(models, is_deep)
    for model in sorted(models.models.values(), key=lambda model: model.name):
        if not model.is_check:
            continue
        line = ask(facts.con, models, model, facts.values)
        if line.verdict == "FAIL" and facts.are_outdated():
            facts.con.close()
            with hold(lake.base / "build.lock", "checking this lake", wait_s=WAIT_S):
                facts = Facts(models, is_deep)
                line = ask(facts.con, models, model, facts.values)
        yield line
    facts.con.close()
    models.save()


def ask(con: duckdb.DuckDBPyConnection, models: Models, model: Model, values: dict) -> Line:
    """Ask one check of the relations of a connection; what cannot be read fails it."""
    name = model.name.removeprefix("check_")
    if "checks" not in model.keys:
        raise click.ClickException(
            f"{model.path}, line 1: a check's first comment must hold `-- checks:`, a query that "
            "says what is looked at"
        )
    looked_at = models.rendered(model.path, model.keys["checks"], **values)
    absent = model.keys.get("absent")
    try:
        with asking(model.path, may_be_absent=absent is not None):
            seen = read(con, looked_at)
            if absent and not (seen and seen[0][0]):
                return Line(name, "PASS", f"{absent}.")
            found, rows = _found(con, model, models.render(model.name, **values))
    except Absent:
        return Line(name, "PASS", f"{absent}.")
    except Unreadable as error:
        advice = "move the file that it names away and run `lake build`"
        return Line(name, "FAIL", f"could not be checked: {error}; {advice}.", 1)
    if not found:
        return Line(name, "PASS", f"{model.sentence.removesuffix('.')}: {seen[0][0]}.")
    return Line(name, rows[0][0], _sentence(found, rows), found, [_told(row) for row in rows])


def _found(con: duckdb.DuckDBPyConnection, model: Model, sql: str) -> tuple[int, list[tuple]]:
    """How many rows break a check, and the first of them, the worst first."""
    names = [row[0] for row in con.execute(f"describe {sql}").fetchall()]
    if names != COLUMNS:
        raise click.ClickException(
            f"{model.path}: a check returns {', '.join(COLUMNS)}; this one {', '.join(names)}"
        )
    [(count,)] = read(con, f"select count(*) from ({sql})")
    if not count:
        return 0, []
    first = f"order by verdict, place, detail limit {ROWS_KEPT}"
    rows = read(con, f"select * from ({sql}) {first}")
    if odd := {str(row[0]) for row in rows} - {"FAIL", "WARN"}:
        raise click.ClickException(f"{model.path}: a verdict is FAIL or WARN; this one {odd.pop()}")
    return count, rows


def _told(row: tuple) -> str:
    """Where and what, in one text."""
    _, place, detail, _ = row
    return f"{place}: {detail}" if place else detail


def _sentence(found: int, rows: list[tuple]) -> str:
    """The first finding, how many there are besides, and what to do."""
    more = f" (and {found - 1:,} more like it)" if found > 1 else ""
    return f"{_told(rows[0])}{more}; {rows[0][3]}."


def judged(lake: Lake, lines: list[Line], is_deep: bool) -> Checkup:
    """The verdict that the checks add up to."""
    worst = next(one for one in ("FAIL", "WARN", "PASS") if _named(lines, one))
    names = ", ".join(_named(lines, worst))
    reasons = {
        "FAIL": f"see what is said of {names}",
        "WARN": f"nothing is wrong with the data; see what is said of {names}",
        "PASS": f"all {len(lines)} checks hold",
    }
    return Checkup(VERDICTS[worst], reasons[worst], str(lake.file), str(lake.base), is_deep, lines)


def refused(line: Line, is_deep: bool) -> Checkup:
    """The verdict where the configuration cannot be read, so that nothing else can be checked."""
    return Checkup("FAIL", "the configuration cannot be used", None, None, is_deep, [line])


def as_json(found: Checkup) -> str:
    """A checkup for programs."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode()


def _named(lines: list[Line], verdict: str) -> list[str]:
    return [line.name for line in lines if line.verdict == verdict]


def head(lake: Lake) -> str:
    """The lake that is looked at."""
    return wrapped(in_force(lake)[0])


def tail(found: Checkup) -> str:
    """The verdict and its reason."""
    return wrapped(f"{found.verdict}: {found.reason}")
