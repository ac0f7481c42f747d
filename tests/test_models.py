"""Every SQL file, also future ones: header, shape, and what its relation keeps on a built lake."""

import json
import re
from pathlib import Path

import duckdb
import lakes
import pytest
import sqlglot
from lakes import ROOT

from runner.config import load
from runner.models.models import Models

SQL = sorted((ROOT / "sql").glob("*/*.sql"))
MACROS = sorted((ROOT / "macros").iterdir())
MODELS = Models(load(ROOT))
STORED = sorted(model.name for model in MODELS.stored())
LAYERS = {"staging", "bars", "gapfill", "compact", "repair"}
LAYERS |= {"rules", "checks", "slices", "views", "backfill", "fetching"}
KEYS = {"grain", "file", "raw", "severity", "breaks", "checks", "absent", "fails_from", "fetch"}
# What gives another answer in another time zone, unless it works on a plain date or timestamp.
ZONED = r"\bdate_trunc\b|::\s*date\b|\+\s*interval|\bcast\([^)]*\bas\s+date\)"


def ids(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def head(path: Path) -> list[str]:
    """The first comment block of a file, without its dashes."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return lines


@pytest.mark.parametrize("path", SQL, ids=ids(SQL))
def test_a_model_begins_with_a_sentence_and_known_keys(path):
    lines = head(path)
    assert re.match(r"^[A-Z].*[.:;,]?$", lines[0])
    keys = [match[1] for line in lines[1:] if (match := re.match(r"^([a-z_]+):\s*\S", line))]
    assert set(keys) <= KEYS and len(keys) == len(set(keys))
    if path.parent.name == "rules":
        assert {"severity", "breaks"} <= set(keys)
    if path.parent.name == "checks":
        assert "checks" in keys


@pytest.mark.parametrize("path", SQL, ids=ids(SQL))
def test_the_sentence_of_a_relation_ends(path):
    text = " ".join(head(path))
    assert MODELS[path.stem].sentence.endswith(".") or MODELS[path.stem].sentence in text
    assert MODELS[path.stem].sentence.endswith(".")


@pytest.mark.parametrize("path", [*SQL, *MACROS], ids=ids([*SQL, *MACROS]))
def test_a_file_fits_on_a_screen(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 80
    assert [line for line in lines if line != line.rstrip() or "\t" in line] == []


@pytest.mark.parametrize("path", SQL, ids=ids(SQL))
def test_a_rendered_model_is_one_statement_that_parses(path):
    sql = MODELS.render(path.stem)
    assert len(sqlglot.parse(sql, dialect="duckdb")) == 1
    assert "{{" not in sql and "{%" not in sql


@pytest.mark.parametrize("path", SQL, ids=ids(SQL))
def test_no_model_depends_on_the_time_zone_of_the_session(path):
    sql = re.sub(r"--[^\n]*", "", MODELS.render(path.stem)).lower()
    assert "now()" not in sql and "current_" not in sql and "random()" not in sql
    for line in sql.splitlines():
        if re.search(ZONED, line):
            is_plain = "at time zone 'utc'" in line or "interval '1 day')" in line
            assert is_plain or re.search(r"date '\d|to_date|filename|\bday\b", line), line


@pytest.mark.parametrize("path", SQL, ids=ids(SQL))
def test_a_model_hides_no_duplicates_and_takes_no_bare_first_or_last(path):
    sql = re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8")).lower()
    assert not re.search(r"\b(first|last|any_value)\(", sql)
    assert path.parent.name != "views" or not re.search(r"order by\s+[^)]*$", sql)


@pytest.mark.parametrize("path", SQL, ids=ids(SQL))
def test_words_are_in_lower_case(path):
    sql = re.sub(r"--[^\n]*|'[^']*'", "", path.read_text(encoding="utf-8"))
    assert not re.search(r"\b(SELECT|FROM|WHERE|AND|OR|AS|GROUP|ORDER|JOIN|WITH)\b", sql)


def test_the_folders_of_sql_are_the_layers():
    assert {path.name for path in (ROOT / "sql").iterdir() if path.is_dir()} <= LAYERS


def test_every_macro_says_what_it_is():
    for path in MACROS:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("{#" if path.suffix == ".jinja" else "-- "), path.name
        if path.suffix == ".sql":
            assert f"create or replace macro {path.stem}(" in text


@pytest.mark.parametrize("name", STORED)
def test_every_stored_relation_is_a_view_of_its_own_name(two_days, name):
    query = "select comment from duckdb_views() where view_name = $1 and not internal"
    with lakes.lake.connect(two_days) as con:
        assert con.execute(query, [name]).fetchall() == [(MODELS[name].sentence,)]


@pytest.fixture(params=STORED)
def name(request) -> str:
    return request.param


@pytest.fixture
def built(name, request) -> Path:
    """A lake that holds rows of the relation."""
    return request.getfixturevalue("sealed_day" if name == "archive" else "answered")


def test_the_grain_of_a_stored_relation_is_unique_and_never_null(built, name):
    grain = MODELS[name].grain
    nulls = " or ".join(f"{column} is null" for column in grain)
    query = f"""
        select count(*) - count(distinct ({", ".join(grain)})), count(*) filter ({nulls})
        from {name}"""
    assert lakes.ask(built, query) == [(0, 0)]
    if name != "rejects":
        assert lakes.ask(built, f"select count(*) > 0 from {name}") == [(True,)]


def found(folder: Path, name: str) -> list[Path]:
    """The published files of a relation, its file without rows included."""
    parts = MODELS[name].file.partition("/{day}")[0].split("/")
    pattern = "/".join("*" if part.startswith("{") else part for part in parts)
    return sorted((folder / "data").glob(f"{pattern}/year=*/month=*/day=*/*.parquet"))


def test_all_files_of_a_relation_have_the_same_columns_and_nullability(built, name):
    shapes = {
        tuple(
            duckdb.execute(
                "select name, type, repetition_type, logical_type from parquet_schema($1) offset 1",
                [str(path)],
            ).fetchall()
        )
        for path in found(built, name)
    }
    assert len(shapes) == 1
    assert {column[2] for column in shapes.pop() if column[1]} <= {"OPTIONAL"} or name == "sessions"


def test_the_rows_of_a_file_are_sorted_by_the_grain(built, name):
    grain = ", ".join(MODELS[name].grain)
    for path in found(built, name):
        read = f"read_parquet('{path}', file_row_number = true, hive_partitioning = false)"
        query = f"select {grain} from {read} order by file_row_number"
        rows = duckdb.execute(query).fetchall()
        assert rows == sorted(rows)


@pytest.mark.parametrize("name", STORED)
def test_what_the_path_of_a_file_says_is_in_its_first_columns_too(answered, name):
    for path in found(answered, name):
        names = [row[0] for row in duckdb.execute(f"describe from '{path}'").fetchall()]
        keys = ("exchange", "symbol", "ticker", "day", "interval")
        expected = [key for key in keys if f"{{{key}}}" in MODELS[name].file]
        assert names[: len(expected)] == expected and "day" in expected


def test_a_file_tells_its_rows_and_a_fingerprint_of_every_sql_file_behind_it(two_days):
    path = two_days / "data" / lakes.place("bars_1s", "SOLUSDT", lakes.DAY)
    query = "select decode(key), decode(value) from parquet_kv_metadata($1)"
    told = dict(duckdb.execute(query, [str(path)]).fetchall())
    assert int(told["lake.rows"]) == duckdb.execute(f"select count(*) from '{path}'").fetchone()[0]
    files = set(json.loads(told["lake.sql"]))
    assert {"sql/gapfill/bars_1s.sql", "sql/bars/trade_bars_1s.sql", "macros/vwap.sql"} <= files
    assert all((ROOT / file).exists() for file in files)


def test_bars_are_snappy_and_ticks_zstd(two_days):
    query = "select distinct compression from parquet_metadata($1)"
    for relation, codec in (("bars_1s", "SNAPPY"), ("trades", "ZSTD"), ("quotes", "ZSTD")):
        path = two_days / "data" / lakes.place(relation, "SOLUSDT", lakes.DAY)
        assert duckdb.execute(query, [str(path)]).fetchall() == [(codec,)]


BARS = (
    "exchange symbol day window_start open high low close volume_base volume_quote trade_count "
    "vwap bid ask spread taker_buy_base taker_buy_quote first_trade_id last_trade_id state"
)
COUNTS = " traded_seconds quiet_seconds partial_seconds dark_seconds"
COLUMNS = {
    "bars_1s": BARS,
    **{f"bars_{width}": BARS + COUNTS for width in ("1m", "5m", "15m", "1h", "1d")},
    "trades": "exchange symbol day trade_id price qty side ts_event ts_recv source",
    "quotes": "exchange symbol day update_id bid bid_qty ask ask_qty ts_event ts_recv",
}


@pytest.mark.parametrize("relation", COLUMNS)
def test_the_columns_that_users_rely_on_are_there_with_their_types(two_days, relation):
    rows = lakes.ask(two_days, f"select column_name, column_type from (describe {relation})")
    names = COLUMNS[relation].split()
    assert [name for name, _ in rows] == names
    types = dict(rows)
    assert types["symbol"] == "VARCHAR" and types["day"] == "DATE"
    if relation.startswith("bars"):
        assert types["window_start"] == "TIMESTAMP WITH TIME ZONE"
        assert {types[name] for name in names[4:10] + names[11:17]} == {"DOUBLE"}
        assert types["trade_count"] == "BIGINT" and types["state"] == "VARCHAR"
    else:
        assert types["ts_event"] == types["ts_recv"] == "TIMESTAMP WITH TIME ZONE"


def test_the_certificate_has_its_columns(two_days):
    columns = [row[0] for row in lakes.ask(two_days, "describe tape")]
    wanted = "first_id last_id count missing duplicates repaired absent_upstream verdict"
    assert [name for name in columns if name in wanted.split()] == wanted.split()
