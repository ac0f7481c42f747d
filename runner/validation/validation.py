"""A validation: every rule is asked of a range; what they find adds up to one verdict."""

import importlib.metadata
import platform
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import duckdb

from runner.asking import Absent, Unreadable, asking, read
from runner.config import Lake, in_force
from runner.models import sql_files
from runner.models.models import Models
from runner.moments import iso
from runner.next_step import to_rows
from runner.validation.checked import Checked, Choice
from runner.validation.report import Report, Section
from runner.validation.rules import Result, check, rules

# Each file is a table of the report: its title, a note on it, and what to say where it is empty.
SECTIONS = "reports/validation"


def run(lake: Lake, choice: Choice) -> Report:
    """Check a range. UsageError or ClickException for a range or symbol that is none, and for SQL
    of a rule or report that is at fault; faults of the data are in the report.
    """
    started = datetime.now(UTC)
    models = Models(lake)
    asked = rules(models)
    checked = Checked(models, choice)
    with checked.con as con:
        results = [check(con, models, rule, checked.values) for rule in asked]
        sections = [
            _section(checked, path) for path in sql_files.files(models.roots, SECTIONS, "*.sql")
        ]
        about = _about(checked)
    lacks = to_rows(models, {"klines" if choice.source == "klines" else "bars_1s"})
    verdict, reason = judged(results, about, lacks)
    models.save()
    return Report(
        verdict=verdict,
        reason=reason,
        mode="TEST" if lake.testing else "PRODUCTION",
        run_at=iso(int(started.timestamp()) * 1_000_000),
        thresholds=in_force(lake, "rules")[1].removeprefix("rules: "),
        fingerprint=_fingerprint(models),
        versions=_versions(),
        results=results,
        sections=sections,
        **about,
    )


def judged(results: list[Result], about: dict, lacks: str | None) -> tuple[str, str]:
    """The verdict and its reason in one sentence; `lacks`: why there is nothing at all."""
    if about["bars"] == 0:
        nothing = lacks or f"the newest day in this lake is {about['newest_day']}"
        return "FAIL", (
            f"there is no data: no {about['source']} of {about['tf']} from {about['start']} to "
            f"{about['end']}; {nothing}"
        )
    unread = [result.label for result in results if result.outcome == "not checked"]
    failing = [result.label for result in results if result.fails]
    broken = [result.label for result in results if result.violations]
    if unread:
        return "FAIL", f"{_listed(unread)} could not be checked, as a file cannot be read"
    if failing:
        return "FAIL", f"{_listed(failing)} {'rule' if failing[1:] else 'rules'} its use out"
    if broken:
        return "INVESTIGATE", f"{_listed(broken)} broken, nothing critical"
    kept = sum(result.outcome == "kept" for result in results)
    return "PASS", f"all {kept} rules that apply hold for {about['bars']:,} bars"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _about(checked: Checked) -> dict:
    """What was looked at: the range and what there is of it."""
    try:
        [(bars, first, last, symbols)] = read(checked.con, checked.sql("extent"))
    except duckdb.InterruptException:
        raise
    except duckdb.Error:  # a broken file of bars; every rule that reads it says so
        bars, first, last, symbols = None, None, None, None
    [(newest,)] = read(checked.con, "select max(last_day)::varchar from spans")
    return {
        "source": checked.choice.source,
        "tf": checked.choice.tf,
        "start": iso(checked.values["from_us"]),
        "end": iso(checked.values["to_us"]),
        "bars": bars,
        "first_bar": first,
        "last_bar": last,
        "symbols": symbols or [],
        "newest_day": newest,
    }


def _section(checked: Checked, path: Path) -> Section:
    """A table of the report; what it cannot show for want of data it says."""
    text = sql_files.read(path)
    sentence, keys = sql_files.header(path, text)
    sql = checked.sql(path.stem, "validation")
    note = checked.models.rendered(path, _note(text), **checked.values)
    absent = keys.get("absent", "nothing to show")
    try:
        with asking(path, may_be_absent="absent" in keys):
            cursor = checked.con.execute(sql)
    except Absent:
        return Section(sentence, note, absent)
    except Unreadable as error:
        return Section(sentence, note, f"not known: {error}")
    columns = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    return Section(sentence, note, "" if rows else absent, columns, rows)


def _note(text: str) -> str:
    """What the second line of a file says."""
    line = [*text.splitlines(), ""][1]
    return line.removeprefix("--").strip() if line.startswith("--") else ""


def _fingerprint(models: Models) -> str:
    """A short hash of all SQL that makes the bars and judges them; comments do not count."""
    made = models.fingerprint("bars_1s")
    judged_by = {rule.name: models.sql_hash(rule.name) for rule in rules(models)}
    return sha256(repr(sorted((made | judged_by).items())).encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    return {
        "market-lake": importlib.metadata.version("market-lake"),
        "duckdb": duckdb.__version__,
        "python": platform.python_version(),
    }
