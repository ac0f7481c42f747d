"""Raw answers and the build: what is stale and why, what stays when raw is gone, the same bytes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import lakes
import pytest
from lakes import MIDNIGHT, NOON, ROOT
from raw_answers import kline, klines, minute, put_klines, put_minutes
from raw_lines import DAY_US, MINUTE_US

from runner.paths import day_folder

LATER = MIDNIGHT + 2 * DAY_US
ROWS = "select day::varchar, count(*), max(close) from klines group by all order by all"
TOPS = ("backfill", "macro", "derivs", "ticks", "parquet", "tape")


def published(folder: Path) -> dict[str, bytes]:
    """The bytes of every published file, by its path in data/."""
    base = folder / "data"
    paths = [path for top in TOPS for path in (base / top).rglob("*.parquet")]
    return {path.relative_to(base).as_posix(): path.read_bytes() for path in sorted(paths)}


def changed(folder: Path, before: dict[str, bytes]) -> set[str]:
    after = published(folder)
    return {name for name in before | after if before.get(name) != after.get(name)}


def place(day: str, interval: str = "1m") -> str:
    return f"backfill/binance/SOLUSDT/{day_folder(day).as_posix()}/klines_{interval}.parquet"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A lake with klines of two days, in two files of answers, built."""
    place = lakes.make(tmp_path / "lake")
    for number, start in enumerate((NOON, NOON + DAY_US), 1):
        rows = [kline(start + n * MINUTE_US) for n in range(5)]
        put_klines(place, [klines(rows, LATER + number)], number=number)
    lakes.bring(place)
    return place


def test_a_second_build_has_nothing_to_do(folder):
    before = published(folder)
    assert lakes.ask(folder, ROWS) == [("2025-10-20", 5, 100.5), ("2025-10-21", 5, 100.5)]
    shutil.rmtree(folder / "data" / "work" / "metadata", ignore_errors=True)
    (folder / "data" / "work" / "unchanged").unlink()
    assert lakes.dry(folder) == []
    assert lakes.bring(folder).is_empty and changed(folder, before) == set()


def test_a_build_with_nothing_new_imports_no_engine(folder):
    script = (
        "import sys; from pathlib import Path; from runner.build.build import build; "
        "from runner.config import load; report = build(load(Path(sys.argv[1]))); "
        "print(report.is_empty, {'duckdb', 'jinja2', 'sqlglot'} & set(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout
    assert told == "True set()\n"
    put_klines(folder, [klines([], LATER + 9)])
    assert lakes.dry(folder) != []


def test_a_new_answer_makes_the_file_of_its_day_anew_and_no_other(folder):
    before = published(folder)
    put_klines(folder, [klines([kline(NOON, close="100.7")], LATER + 9)])
    assert lakes.dry(folder) == [
        "stage    raw/binance/_rest/klines_1m/SOLUSDT/2025-10-22/answers.jsonl  (it has grown)",
        "perhaps  klines SOLUSDT  (once its answers are read)",
        "perhaps  rejects _answers  (once its answers are read)",
    ]
    report = lakes.bring(folder)
    assert report.told()[0] == "staged 1 files of answers"
    assert changed(folder, before) == {place("2025-10-20")}
    assert lakes.ask(folder, ROWS)[0] == ("2025-10-20", 5, 100.7)


def test_a_deleted_file_alone_is_made_anew_with_the_same_bytes(folder):
    before = published(folder)
    (folder / "data" / place("2025-10-21")).unlink()
    report = lakes.bring(folder)
    assert [(str(unit), unit.why) for unit in report.units] == [
        ("klines SOLUSDT 1m 2025-10-21", "not there")
    ]
    assert changed(folder, before) == set()


def test_raw_that_is_gone_makes_nothing_stale_and_takes_nothing_away(folder):
    before = published(folder)
    shutil.rmtree(folder / "data" / "raw")
    assert lakes.dry(folder) == []
    shutil.rmtree(folder / "data" / "work")
    assert lakes.bring(folder).units == [] and changed(folder, before) == set()
    put_klines(folder, [klines([kline(NOON, close="100.9")], LATER + 9)], day="2025-10-25")
    lakes.bring(folder)
    assert lakes.ask(folder, ROWS) == [("2025-10-20", 5, 100.9), ("2025-10-21", 5, 100.5)]
    assert lakes.dry(folder) == []


def test_what_a_gone_answer_said_last_is_not_undone_by_an_older_one(folder):
    newest = klines([kline(NOON, close="100.8")], LATER + 9)
    path = put_klines(folder, [newest], day="2025-10-25")
    lakes.bring(folder)
    path.unlink()
    shutil.rmtree(folder / "data" / "work")
    put_klines(folder, [klines([kline(NOON, close="100.6")], LATER + 5)], day="2025-10-24")
    lakes.bring(folder)
    assert lakes.ask(folder, ROWS)[0] == ("2025-10-20", 5, 100.8)


def test_the_workshop_may_be_deleted_and_is_made_from_raw_again(folder):
    before = published(folder)
    shutil.rmtree(folder / "data" / "work")
    report = lakes.bring(folder)
    assert len(report.answers) == 2 and report.units == [] and changed(folder, before) == set()
    (part, *_) = (folder / "data" / "work" / "answers").rglob("rows.parquet")
    part.write_bytes(b"cut")
    (folder / "data" / "work" / "unchanged").unlink()
    assert len(lakes.bring(folder).answers) == 1 and changed(folder, before) == set()


def own(folder: Path, file: str, old: str, new: str) -> None:
    """A lake's own edition of a shipped SQL file."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (ROOT / file).read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_edited_relation_is_made_anew_from_the_workshop_and_an_edited_staging_from_raw(folder):
    own(folder, "sql/staging/klines.sql", "high::double as high", "(high + 1)::double as high")
    report = lakes.bring(folder)
    assert report.answers == [] and {unit.why for unit in report.units} == {
        "sql/staging/klines.sql changed"
    }
    own(folder, "sql/staging/kline_answers.sql", "trades_read as trades", "7 as trades")
    report = lakes.bring(folder)
    assert len(report.answers) == 2 and len(report.units) == 2
    assert lakes.ask(folder, "select distinct high, trades from klines") == [(102, 7)]


def test_macro_and_its_revisions_are_made_of_one_reading(folder):
    put_minutes(folder, "ES=F", ([minute(NOON), minute(NOON, 101)], LATER))
    report = lakes.bring(folder)
    assert [str(one) for one, _ in report.answers] == ["raw/yahoo/ES%3DF/2025-10-22/answers.jsonl"]
    assert sorted(str(unit) for unit in report.units) == [
        "macro ES=F 2025-10-20",
        "macro_revisions ES=F 2025-10-20",
    ]
    before = published(folder)
    revisions = "macro/revisions/ES%3DF/year=2025/month=10/day=20/2025-10-20.parquet"
    (folder / "data" / revisions).unlink()
    assert [str(unit) for unit in lakes.bring(folder).units] == ["macro_revisions ES=F 2025-10-20"]
    assert changed(folder, before) == set()


def test_only_what_is_chosen_is_built(folder):
    put_klines(folder, [klines([kline(NOON, close="100.7")], LATER + 9)])
    put_minutes(folder, "SPY", ([minute(NOON)], LATER))
    lakes.put(folder, "SOLUSDT", [lakes.trade("SOLUSDT", 1, NOON)])
    report = lakes.bring(folder, select="klines")
    assert [str(unit) for unit in report.units] == ["klines SOLUSDT 1m 2025-10-20"]
    assert report.staged == []
    report = lakes.bring(folder, symbols=frozenset({"SPY"}))
    assert {unit.relation for unit in report.units} == {"macro", "macro_revisions"}
    assert "bars_1s" in {unit.relation for unit in lakes.bring(folder).units}


def test_rejects_of_one_day_of_fetching_are_one_file_of_all_symbols(folder):
    put_klines(folder, ["x", klines([kline(NOON)], LATER)])
    put_klines(folder, ["y"], symbol="BTCUSDT")
    lakes.bring(folder)
    query = "select file, line, text from rejects order by all"
    both = [
        ("_rest/klines_1m/BTCUSDT/2025-10-22/answers.jsonl", 1, "y"),
        ("_rest/klines_1m/SOLUSDT/2025-10-22/answers.jsonl", 2, "x"),
    ]
    assert lakes.ask(folder, query) == both
    put_klines(folder, ["z"], symbol="BTCUSDT")
    lakes.bring(folder, symbols=frozenset({"BTCUSDT"}))
    assert lakes.ask(folder, query) == [both[0], (both[0][0], 2, "z"), both[1]]
    assert lakes.dry(folder) == []
    told = " ".join(lakes.run(folder, "check").output.split())
    assert "unreadable lines: not a JSON object in UTF-8" in told


def test_the_same_raw_gives_the_same_bytes_by_one_thread_or_two_and_in_one_build_or_many(tmp_path):
    steps = [
        [klines([kline(NOON + n * MINUTE_US) for n in range(9)], LATER)],
        [klines([kline(NOON, close="100.9"), kline(NOON + DAY_US)], LATER + 5), "garbage"],
        [klines([kline(NOON + MINUTE_US, close="100.1")], LATER + 6)],
    ]
    made = []
    for name, threads, is_stepwise in (("a", 1, False), ("b", 2, False), ("c", 1, True)):
        folder = lakes.make(tmp_path / name)
        for lines in steps:
            put_klines(folder, lines)
            minutes = [minute(NOON, 100 + len(lines)), minute(NOON + DAY_US)]
            put_minutes(folder, "ES=F", (minutes, LATER + len(lines)))
            if is_stepwise:
                lakes.bring(folder)
        lakes.bring(folder, threads=threads)
        made.append(published(folder))
    assert made[0] == made[1] == made[2] and len(made[0]) > 8


HEADER = """-- A row of answers.
-- grain: exchange, symbol, day
{keys}
select 'binance' as exchange, '{{{{ symbol }}}}' as symbol, date '2025-10-20' as day{more}
from answer_lines
"""


@pytest.mark.parametrize(
    "keys, told",
    [
        ("-- raw: mine", "must name {symbol} or {ticker}"),
        ("-- raw: ../{symbol}", "must be folders below raw/"),
        ("-- raw: mine/{symbol}/{ticker}", "must be folders below raw/"),
        ("-- raw: mine/{foo}", "must be folders below raw/"),
        ("-- file: mine/{exchange}/{symbol}/{day}\n-- raw: mine/{symbol}", "is not stored"),
        ("-- raw: mine/{symbol}", "needs a column 'fetched_us'"),
    ],
)
def test_a_model_of_raw_answers_that_is_none_is_refused_in_one_sentence(folder, keys, told):
    path = folder / "sql" / "staging" / "my_answers.sql"
    path.parent.mkdir(parents=True)
    path.write_text(HEADER.format(keys=keys, more=""), encoding="utf-8")
    done = lakes.run(folder, "build")
    assert done.exit_code == 1 and "my_answers.sql, line" in done.output and told in done.output


def test_a_source_is_added_by_one_staging_file_and_one_relation(folder):
    more = ", fetched_us, line, 1::bigint as position, text, flaw, 42 as answer"
    path = folder / "sql" / "staging" / "my_answers.sql"
    path.parent.mkdir(parents=True)
    path.write_text(HEADER.format(keys="-- raw: mine/{symbol}", more=more), encoding="utf-8")
    stored = "-- A thing of mine.\n-- grain: exchange, symbol, day\n"
    stored += "-- file: mine/{exchange}/{symbol}/{day}\n"
    stored += "select exchange, symbol, day, max(answer) as answer from my_answers group by all\n"
    (path.parent / "mine.sql").write_text(stored, encoding="utf-8")
    raw = folder / "data" / "raw" / "mine" / "XYZ" / "2025-10-22" / "answers.jsonl"
    raw.parent.mkdir(parents=True)
    raw.write_text(f'{{"fetched_at":{LATER},"request":{{}},"body":[]}}\n')
    stray = raw.with_name("answers.txt")
    stray.touch()
    assert lakes.bring(folder).ignored == [stray.relative_to(folder / "data")]
    assert lakes.ask(folder, "select symbol, day::varchar, answer from mine") == [
        ("XYZ", "2025-10-20", 42)
    ]
    checked = json.loads(lakes.run(folder, "check", "--json").output)["checks"]
    [orphans] = [one["rows"] for one in checked if one["name"] == "orphans"]
    assert [stray.name in orphan for orphan in orphans] == [True]
    stray.unlink()
    assert lakes.dry(folder) == []
    raw.unlink()
    shutil.rmtree(folder / "data" / "work")
    other = raw.parent.with_name("2025-10-23") / raw.name
    other.parent.mkdir()
    other.write_text(f'{{"fetched_at":{LATER + 1},"request":{{}},"body":[]}}\n')
    lakes.bring(folder)
    assert lakes.ask(folder, "select answer from mine") == [(42,)]
