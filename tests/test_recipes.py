"""The files that README.md and docs/recipes.md tell users to write: each does what it should."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import lakes
import pytest
from lakes import ROOT

from runner.config import load
from runner.dashboard.lake import Viewer

# A code block that is a file of a lake: its path stands behind the kind.
FILE = re.compile(r"^```(?:sql|yaml) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/recipes.md")
}
RECIPES = dict(FILE.findall(PAGES["docs/recipes.md"]))
[ANSWER] = re.findall(r'^\{"fetched_at".*\}$', PAGES["docs/recipes.md"], re.MULTILINE)
WRITTEN = {
    **{path: text for path, text in RECIPES.items() if not path.endswith(".yml")},
    "data/raw/binance/_rest/mood/BTCUSDT/2025-10-21/answers.jsonl": ANSWER + "\n",
}


@pytest.fixture(scope="module")
def folder(two_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with all files of the recipes, built."""
    folder = copytree(two_days, tmp_path_factory.mktemp("recipes") / "lake")
    for path, text in WRITTEN.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    with (folder / "config.yml").open("a", encoding="utf-8") as config:
        config.write(RECIPES["config.yml"])
    lakes.bring(folder)
    return folder


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Callable[[str], list[tuple]]]:
    """The rows of a query on the lake."""
    with lakes.lake.connect(folder) as con:
        yield lambda query: con.execute(query).fetchall()


@pytest.fixture(scope="module")
def report(folder: Path) -> str:
    done = lakes.run(folder, "validate", "--start", lakes.DAY, "--end", "2025-10-22")
    assert done.exit_code == 3 and "FAIL: R6 rules its use out" in done.output, done.output
    [path] = (folder / "data" / "reports").glob("validation_*.md")
    return path.read_text(encoding="utf-8")


def test_the_readme_gives_files_as_the_recipes_do():
    given = dict(FILE.findall(PAGES["README.md"]))
    assert len(given) == 2 and {path: RECIPES[path] for path in given} == given


@pytest.mark.parametrize(
    "name", [Path(path).stem for path in RECIPES if re.match(r"sql/(views|mine|staging)/", path)]
)
def test_a_relation_of_the_recipes_is_one(ask, name):
    listed = {row[0] for row in ask("show tables")}
    assert (name in listed) == (name != "mood_answers")  # what only reads raw is no relation


def test_bars_of_four_hours_add_up_to_the_day(ask):
    totals = "select symbol, day, sum(trade_count)::bigint, sum(traded_seconds)::bigint from"
    days = [f"{totals} {name} group by all order by all" for name in ("bars_4h", "bars_1d")]
    assert ask(days[0]) == ask(days[1]) != []
    odd = "select count(*) from bars_4h where epoch_us(window_start) % 14400000000 <> 0"
    assert ask(odd) == [(0,)]


def test_the_vwap_is_in_cents(ask):
    priced = "count(*) > 100 and bool_and(vwap = round(vwap, 2)) and bool_or(vwap <> round(vwap))"
    assert ask(f"select {priced} from bars_1s where vwap is not null") == [(True,)]


def test_the_spread_is_that_of_the_hour(ask):
    hours = "select symbol, quoted_seconds > 0, mean_bps between 150 and 250 from spread_by_hour"
    assert set(ask(f"{hours} where day = '2025-10-21'")) == {
        ("SOLUSDT", True, True),
        ("BTCUSDT", True, True),
    }


def test_the_answer_of_the_source_is_a_row(ask):
    shown = "select symbol, day::varchar, epoch_ms(ts), value from mood"
    assert ask(shown) == [("BTCUSDT", "2025-10-20", 1760918400000, 34)]
    assert ask("select count(*) from rejects") == [(0,)]


def test_the_rule_and_the_table_stand_in_the_report(report):
    assert "| R14  | Prices do not jump." in report and "## Big trades" in report
    assert "max_spread_bps 50" in report


def test_the_dashboard_asks_the_lake_s_own_question(folder):
    found = Viewer(load(folder)).ask("freshness")
    assert "newest_spread" in found.column_names and found.num_rows == 2
