"""The SQL box of the dashboard reads the lake's relations, and nothing else in any way."""

import shutil
import sys
from pathlib import Path

import click
import duckdb
import lakes
import pytest

from runner.config import load
from runner.dashboard import box, dashboard
from runner.models.models import Models


@pytest.fixture(scope="module")
def folder(two_days, tmp_path_factory) -> Path:
    """A built lake of its own, with a file beside it that nobody may read."""
    copy = Path(shutil.copytree(two_days, tmp_path_factory.mktemp("box") / "50% [a] lake"))
    (copy / "secret.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (copy / "data" / "catalog.sql").unlink()  # it names the place of the other lake
    return copy


@pytest.fixture(scope="module")
def con(folder):
    lake = load(folder)
    with box.connect(lake, Models(lake)) as one:
        yield one


@pytest.fixture(scope="module")
def ask(folder, con):
    """The rows that the box gives, or ClickException."""
    models = Models(load(folder))
    return lambda query: box.ask(con, query.format(lake=folder.as_posix()), models)


@pytest.mark.parametrize(
    "query, rows",
    [
        ("from tape", 4),
        ("select * from bars('SOLUSDT', '2025-10-20', '2025-10-22') limit 7;", 7),
        ("with a as (from bars_1m), b as (from a limit 3) from b", 3),
        ("(from tape) union all (from tape)", 8),
        ("with recursive n as (select 1 i union all select i + 1 from n where i < 5) from n", 5),
        ("pivot bars_1d on state in ('partial', 'traded') using count(*) group by symbol", 2),
        ("select unnest([1, 2]), * from range(1)", 2),
        ("values (1), (2)", 2),
        ("from memory.main.tape t join tape using (symbol, day)", 4),
    ],
)
def test_what_reads_is_answered(ask, query, rows):
    answer = ask(query)
    assert (answer.rows.num_rows, answer.is_cut) == (rows, False)


@pytest.mark.parametrize("query", ["describe bars_1s", "show tables", "summarize tape"])
def test_what_tells_of_relations_is_answered(ask, query):
    assert ask(query).rows.num_rows > 5


@pytest.mark.parametrize(
    "query",
    [
        "explain from tape",
        "/* why */ EXPLAIN\nselect count(*) from bars_1s",
        "explain analyze select count(*) from bars_1s;",
    ],
)
def test_a_query_is_explained(ask, query):
    answer = ask(query)
    assert answer.is_plan and "READ_PARQUET" in answer.rows["explain_value"][0].as_py()
    assert not ask("from tape").is_plan


def test_times_are_in_utc(ask):
    [first] = ask("select min(window_start)::varchar as t from bars_1s").rows.to_pylist()
    assert first["t"] == "2025-10-20 21:58:00+00"


WRITES = (
    "copy (select 1) to '{lake}/x.csv'",
    "copy tape to '{lake}/data/parquet/x.parquet'",
    "with a as (copy (select 1) to '{lake}/x.csv') from a",
    "with a as (copy (select 1) to '{lake}/data/parquet/x.parquet') from a",
    "select (select 1 from (with a as (copy tape to '{lake}/data/tape/x') from a))",
    "from (with a as materialized (copy tape to '{lake}/data/tape/x') from a)",
    "copy (pivot tape on verdict using count(*)) to '{lake}/data/tape/x.csv'",
    "explain analyze copy (select 1) to '{lake}/data/tape/x.csv'",
    "explain analyze with a as (copy (select 1) to '{lake}/data/tape/x.csv') from a",
    "explain (analyze) copy (select 1) to '{lake}/data/tape/x.csv'",
    "explain select 1; copy (select 1) to '{lake}/data/tape/x.csv'",
    "explain analyze create table t as select 1",
    "export database '{lake}/data/tape/x'",
    "attach '{lake}/x.db'",
    "attach '{lake}/data/tape/x.db'",
    "install httpfs",
    "load httpfs",
    "create table t as select 1",
    "with a as (insert into t values (1) returning 1) from a",
    "prepare a as copy (select 1) to '{lake}/data/tape/x.csv'",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "reset allowed_directories",
    "pragma enable_profiling = 'json'",
    "call enable_logging(storage = 'file', storage_path = '{lake}/data/tape')",
    "from enable_logging(storage = 'file', storage_config = {{'path': '{lake}/data/tape'}})",
    "from query('with a as (copy (select 1) to ''{lake}/data/tape/x.csv'') from a')",
    "from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select 1; copy (select 1) to '{lake}/data/tape/x.csv'",
    "checkpoint",
)
READS = (
    "from '{lake}/secret.csv'",
    'from "{lake}/secret.csv"',
    "from read_csv('{lake}/secret.csv')",
    "from read_text('{lake}/config.yml')",
    "from read_text('{lake}/data/tape/../../config.yml')",
    "from read_blob('{lake}/data/parquet/**')",
    "from read_parquet('{lake}/data/parquet/**/*.parquet')",
    "from glob('{lake}/**')",
    "from parquet_metadata('{lake}/data/parquet/**/*.parquet')",
    "from sniff_csv('{lake}/secret.csv')",
    "from query('from read_text(''{lake}/config.yml'')')",
    "from query_table('{lake}/secret.csv')",
    "from duckdb_secrets()",
    "explain from read_text('{lake}/config.yml')",
    "explain analyze from '{lake}/secret.csv'",
    "describe '{lake}/secret.csv'",
    "describe (from read_text('{lake}/config.yml'))",
    "from tape select (from read_text('{lake}/config.yml') select content)",
    "select * from tape, lateral (from read_text('{lake}/config.yml'))",
)


@pytest.mark.parametrize("query", [*WRITES, *READS])
def test_what_writes_or_reads_another_file_is_refused_and_does_nothing(ask, folder, query):
    before = contents(folder)
    with pytest.raises((click.ClickException, duckdb.Error)) as refusal:
        ask(query)
    assert "Traceback" not in str(refusal.value) and str(refusal.value)
    assert contents(folder) == before


def contents(folder: Path) -> dict[Path, bytes]:
    """All files of a lake."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to '{lake}/x.csv'",
        "with a as (copy (select 1) to '{lake}/x.csv') from a",
        "attach '{lake}/x.db'",
        "install httpfs",
        "load httpfs",
        "from read_csv('{lake}/secret.csv')",
        "from read_text('{lake}/data/tape/../../config.yml')",
        "from read_text('{lake}/data/raw/binance/SOLUSDT/2025-10-20/part_1319.jsonl')",
        "from glob('{lake}/**')",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "set lock_configuration = false",
        "from enable_logging(storage = 'file', storage_config = {{'path': '{lake}/x'}})",
    ],
)
def test_duckdb_itself_refuses_what_lies_outside_the_published_files(con, folder, query):
    before = contents(folder)
    with pytest.raises(duckdb.Error):
        con.execute(query.format(lake=folder.as_posix())).fetchall()
    assert contents(folder) == before


def test_a_variable_of_the_program_is_no_relation(ask):
    rows = [1]
    with pytest.raises(duckdb.CatalogException, match="rows"):
        ask("from rows")
    assert rows


def test_a_long_answer_is_cut_and_says_so(ask):
    answer = ask("from range(100000000)")
    assert (answer.rows.num_rows, answer.is_cut) == (box.ROWS, True)
    assert not ask(f"from range({box.ROWS})").is_cut


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from range(10000000000) a, range(1000) b",
        "select sleep_ms(1) from range(100000)",
    ],
    ids=["at its beginning", "in the midst of its answer"],
)
def test_an_endless_query_is_stopped_and_the_box_goes_on(ask, monkeypatch, query):
    monkeypatch.setattr(box, "SECONDS", 0.3)
    with pytest.raises(click.ClickException, match="was stopped after 0.3 s"):
        ask(query)
    assert ask("from tape").rows.num_rows == 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process this way")
def test_what_fills_the_memory_beside_duckdbs_limit_is_refused(ask):
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [used_kb] = [int(line.split()[1]) for line in status.splitlines() if "VmData" in line]
    dashboard.bound_memory(used_kb * 1024 + (3 << 30))
    try:
        with pytest.raises(click.ClickException, match="needs more than 2GB of memory"):
            ask("select range(1000000000)")
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    assert ask("from tape").rows.num_rows == 4


def test_an_answer_too_large_for_a_browser_is_refused_and_the_box_goes_on(ask):
    with pytest.raises(click.ClickException, match="first 500 rows are larger than 64 MB"):
        ask("select repeat('x', 200000) from range(3000)")
    assert ask("from tape").rows.num_rows == 4


def test_an_error_in_the_midst_of_an_answer_is_said_in_duckdbs_words(ask):
    with pytest.raises(duckdb.Error, match="Invalid Input Error: too late"):
        ask("select if(i = 5000, error('too late'), i) from range(10000) t(i)")


def test_columns_of_one_name_are_told_apart(ask):
    assert ask("select 1 as a, 2 as a, 3 as b").rows.to_pylist() == [{"a": 1, "a_1": 2, "b": 3}]


def test_what_is_wrong_with_a_query_is_said_in_duckdbs_words(ask):
    with pytest.raises(click.ClickException, match="syntax error at or near"):
        ask("selec 1")
    with pytest.raises(duckdb.CatalogException, match="nowhere does not exist"):
        ask("from nowhere")


def test_a_query_too_deep_to_understand_is_refused(ask):
    with pytest.raises((click.ClickException, duckdb.Error)):
        ask("select " + "(" * 3000 + "1" + ")" * 3000)
    with pytest.raises((click.ClickException, duckdb.Error)):
        ask("select " + "1 + " * 3000 + "1")


def test_new_bars_are_seen_by_an_open_box(two_days, tmp_path):
    folder = Path(shutil.copytree(two_days, tmp_path / "lake"))
    (folder / "data" / "catalog.sql").unlink()
    lake = load(folder)
    query, models = "select sum(count)::bigint as n from tape", Models(lake)
    with box.connect(lake, models) as con:
        [before] = box.ask(con, query, models).rows.to_pylist()
        lakes.put(folder, "SOLUSDT", [lakes.trade("SOLUSDT", 95, lakes.MIDNIGHT + 10**9)])
        lakes.bring(folder)
        [after] = box.ask(con, query, models).rows.to_pylist()
    assert after["n"] == before["n"] + 1
