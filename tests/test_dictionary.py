"""The words of columns: beside them in the SQL, and the same in `lake describe`, lake.db and
docs/data-dictionary.md."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import lakes
import msgspec
import pytest
from lakes import ROOT

from ingest import answers, binance
from ingest.collect import sessions
from ingest.progress import Progress
from ingest.repair.files import RepairFiles, Trade
from runner.config import load
from runner.describe.describe import Relation, raw_keys, relations
from runner.models.models import Models
from runner.models.words import beside, parsed

PAGE = ROOT / "docs" / "data-dictionary.md"
OWN = """\
-- The range of each minute.
-- grain: symbol, window_start
select
    symbol, -- which pair
    day,
    window_start,
    -- [quote asset] high less low; NULL: dark
    high - low as price_range,
    vwap, -- NULL: never
    low as lowest,
    1 as "from" -- it's a word of SQL
from bars_1m
"""


@pytest.fixture(scope="module")
def described(two_days) -> dict[str, Relation]:
    return relations(Models(load(two_days)))


@pytest.fixture
def folder(two_days, tmp_path) -> Path:
    """A built lake of one's own, with a view of its own."""
    folder = shutil.copytree(two_days, tmp_path / "lake")
    write(folder, "sql/views/my_range.sql", OWN)
    return folder


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def told(folder: Path, *arguments: str) -> str:
    """What `lake describe` prints."""
    result = lakes.run(folder, "describe", *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(folder: Path, name: str) -> str:
    """The last line of what `lake describe` says to a name that it refuses."""
    result = lakes.run(folder, "describe", name)
    assert result.exit_code == 2
    return result.output.strip().splitlines()[-1]


def test_every_column_of_every_relation_has_words(described):
    silent = [
        f"{name}.{column.name}"
        for name, one in described.items()
        for column in one.columns
        if not column.words.meaning
    ]
    assert silent == [] and len(described) > 25


def test_every_number_that_is_no_id_and_every_time_has_its_unit(described):
    bare = {
        f"{name}.{column.name}"
        for name, one in described.items()
        for column in one.columns
        if re.match("DOUBLE|DECIMAL|BIGINT|TIMESTAMPTZ|DATE", column.type) and not column.words.unit
    }
    counted = {"macro_revisions.revision", "rejects.line"}  # from 1
    assert {one for one in bare if not one.endswith("_id")} == counted


def test_the_page_is_what_lake_describe_makes_of_the_sql(two_days):
    assert told(two_days, "--markdown") == PAGE.read_text(encoding="utf-8"), (
        "run `lake describe --markdown > docs/data-dictionary.md`"
    )


def test_lake_db_shows_the_same_words_in_the_shell_of_the_version_before(two_days, described):
    query = (
        "select table_name, column_name, comment from duckdb_columns() where "
        "database_name = 'lake' order by table_name, column_index"
    )
    rows = [tuple(row) for row in csv.reader(io.StringIO(lakes.shell(two_days, query)))]
    assert rows == [
        (name, column.name, str(column.words))
        for name, one in described.items()
        for column in one.columns
    ]


def test_a_column_that_says_nothing_of_null_is_never_null(described, answered, sealed_day):
    nulls = {}
    with lakes.lake.connect(answered) as con, lakes.lake.connect(sealed_day) as sealed:
        for name, one in described.items():
            columns = [column.name for column in one.columns if not column.words.null]
            counts = ", ".join(f'count(*) - count("{column}")' for column in columns)
            query = f"select {counts} from {name}"
            row = (sealed if name == "archive" else con).execute(query).fetchone()
            nulls |= {f"{name}.{column}": n for column, n in zip(columns, row, strict=True) if n}
    assert nulls == {}


def test_what_it_prints_fits_a_terminal(two_days, described):
    for name in (*described, "raw", "bars", "vwap"):
        output = told(two_days, name)
        assert max(map(len, output.splitlines())) <= 80, name
        if name in described:
            names = re.findall(r"^(\w+)  +[A-Z]", output.partition("\nSQL ")[2], re.MULTILINE)
            assert names == [column.name for column in described[name].columns]
    assert max(map(len, told(two_days).splitlines())) <= 80


def test_a_relation_tells_its_row_its_files_and_its_columns(two_days):
    lines = told(two_days, "bars_1s").splitlines()
    assert lines[:2] == ["bars_1s", "One second of a symbol: what traded in it, the best quote at "
                         "its end, and what"]  # fmt: skip
    text = " ".join(" ".join(lines).split())
    assert "one row exchange, symbol, window_start" in text
    assert "data/parquet/{exchange}/{symbol}/year=2025/month=10/day=20/ 2025-10-20.parquet" in text
    assert "SQL sql/gapfill/bars_1s.sql" in text
    assert "vwap DOUBLE [quote asset] volume_quote / volume_base;" in text


def test_the_files_that_it_names_are_there(answered, described):
    for one in described.values():
        if one.files and not one.name.startswith(("archive", "rejects")):
            place = re.sub(r"=2025|=10|=20/.*", "=*", re.sub(r"\{\w+\}", "*", one.files))
            assert list(answered.glob(f"{place}/*.parquet")), one.files


def test_an_unknown_name_is_answered_with_a_near_one_or_the_file_that_it_is(two_days):
    assert "'bars1m' is no relation; did you mean 'bars_1m'?" in refused(two_days, "bars1m")
    assert "no relation; `lake describe` lists them" in refused(two_days, "xyzzy")
    step = refused(two_days, "seconds")
    assert "a step of the build, not in lake.db; see sql/gapfill/seconds.sql" in step
    assert "is a rule, not in lake.db; see sql/rules/" in refused(two_days, "r8_complete_tape")


def test_a_view_of_ones_own_has_its_words_or_those_of_what_it_reads(folder):
    output = told(folder, "my_range")
    assert "sql/views/my_range.sql (this lake's own)" in output
    words = {column.name: str(column.words) for column in relations_of(folder)["my_range"].columns}
    vwap = words.pop("vwap")
    assert vwap.startswith("[quote asset] volume_quote / volume_base") and "NULL" not in vwap
    assert words == {
        "symbol": "which pair",
        "day": "[UTC day] that the row belongs to",
        "window_start": "[UTC] start of the bar",
        "price_range": "[quote asset] high less low; NULL: dark",
        "lowest": "",
        "from": "it's a word of SQL",
    }
    assert re.search(r"^lowest +DOUBLE +-$", output, re.MULTILINE)


def relations_of(folder: Path) -> dict[str, Relation]:
    return relations(Models(load(folder)))


def test_a_lakes_own_list_of_columns_adds_to_the_shipped_one_and_renews_lake_db_alone(folder):
    lakes.bring(folder)
    before = lakes.stamps(folder)
    write(folder, "sql/columns.txt", "nothing: of it\nday: [UTC] that's its day\n")
    assert lakes.dry(folder) == ["catalog  lake.db: what it says of columns changed"]
    assert lakes.bring(folder).catalog == "lake.db has new views"
    query = (
        "select column_name, comment from duckdb_columns() where table_name = 'my_range' "
        "and database_name = 'lake' and column_name in ('day', 'from', 'vwap') order by all"
    )
    shown = "day,[UTC] that's its day\nfrom,it's a word of SQL\nvwap,[quote asset] volume_quote / "
    shown += "volume_base; where nobody traded, the close before\n"
    assert lakes.shell(folder, query).replace('"', "") == shown
    assert lakes.stamps(folder) == before and lakes.dry(folder) == []


def test_a_relation_that_cannot_be_made_says_why_and_the_others_are_described(folder):
    write(folder, "sql/views/my_range.sql", OWN.replace("high - low", "hihg - low"))
    result = lakes.run(folder, "describe", "my_range")
    assert result.exit_code == 1 and "my_range.sql" in result.output and "hihg" in result.output
    assert "bars_1m\nOne-minute bars" in told(folder, "bars_1m")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("select a, -- one\n b -- two\nfrom t -- three", {"a": "one", "b": "two"}),
        ("select\n -- above\n -- and more\n sum(b) as c\nfrom t", {"c": "above and more"}),
        ("select if(a, -- why\n b, c) as d -- told\nfrom t", {"d": "told"}),
        ("select case when a -- why\n then b end as c -- told\nfrom t", {"c": "told"}),
        ("with x as (select a -- inner\nfrom t) select a, b -- outer\nfrom x", {"b": "outer"}),
        ("select a is distinct from b as c, -- told\n d from t", {"c": "told"}),
        ("select '-- none' as a, \"b c\" -- told\nfrom t", {"b c": "told"}),
        ("select a -- told\nfrom t where b -- why\n and c", {"a": "told"}),
        ("from t select a -- told", {"a": "told"}),
        ('select 1 as "an ""odd"" one" -- told\nfrom t', {'an "odd" one': "told"}),
        ("select 1 as a", {}),
    ],
)
def test_words_stand_beside_a_column_of_the_outermost_select(sql, found):
    assert dict(beside(sql)) == found


def test_of_a_comment_unit_and_null_are_taken_apart():
    words = parsed("[µs] a; b: c; NULL: d; e")
    assert (words.unit, words.meaning, words.null) == ("µs", "a; b: c", "d; e")
    assert str(words) == "[µs] a; b: c; NULL: d; e"
    assert parsed("NULL: never").null == "never" and parsed("NULL: never").meaning == ""


@pytest.fixture(scope="module")
def keys(two_days) -> dict[str, dict]:
    return raw_keys(Models(load(two_days)))


def test_the_keys_of_raw_lines_are_those_that_the_collector_writes_in_their_order(keys):
    sold = binance.Trade(E=1, s="X", t=2, p="3", q="4", T=5, m=True)
    quoted = binance.Quote(u=1, s="X", b="2", B="3", a="4", A="5")
    lines = {
        "trade": binance.trade_line("X", 6)(7, sold),
        "bookTicker": binance.quote_line("X", 6)(7, quoted),
    }
    for stream, line in lines.items():
        assert list(json.loads(line)) == [*keys["line"], *keys[stream]]
    assert list(keys["session"]) == list(sessions.Line.__struct_fields__)


def test_the_keys_of_what_is_fetched_are_those_that_are_written(keys, tmp_path):
    files = RepairFiles(tmp_path / "X", "X", Progress("trades", "ids", 2))
    files.add(Trade(1, "2", "3", 4, is_sell=False), 5)
    files.add_absent(2, 3, 4, 5)
    files.flush()
    [file] = (tmp_path / "X").rglob("*.jsonl")
    for line, stream in zip(file.read_text().splitlines(), ("trade", "absent"), strict=True):
        assert list(json.loads(line)) == [*keys["line"], *keys[stream]]
    with answers.Answers(tmp_path / "answers") as kept:
        kept.append("X", 1_760_918_400_000_000, {"symbol": "X"}, b"[]")
    [file] = (tmp_path / "answers").rglob("*.jsonl")
    assert list(msgspec.json.decode(file.read_bytes())) == list(keys["answer"])


def test_a_key_of_raw_lines_is_one_that_the_build_reads(keys, two_days):
    models = Models(load(two_days))
    columns = models.jinja.get_template("macros/line_format.jinja").module.columns
    streams = keys["line"] | keys["trade"] | keys["bookTicker"] | keys["absent"]
    assert sorted(re.findall(r"(\w+):", columns)) == sorted(streams)
    for name, told in keys["bodies"].items():
        sql = models.render(f"{'kline' if name == 'klines' else name}_answers")
        named = re.findall(r"\b(\w+)(?:,| \(µs|$)", told.meaning.split(", and")[0])
        assert len(named) >= 4 and [key for key in named if key not in sql] == []
