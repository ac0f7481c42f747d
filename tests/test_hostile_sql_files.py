"""SQL files, headers and macros that are hardly any: one sentence with the file and the line."""

import click
import lakes
import pytest

from runner import engine
from runner.build.execute import prepare
from runner.config import load
from runner.models.models import Models

ONE = "-- One row.\n"
SELECT = "select exchange, symbol, day, window_start from bars_1s\n"


def stored(place: str) -> str:
    return f"{ONE}-- grain: exchange, symbol, window_start\n-- file: {place}\n{SELECT}"


def refused(folder) -> str:
    """What is said of a lake's SQL files when they are read, before any is run."""
    with pytest.raises(click.ClickException) as caught:
        Models(load(folder))
    return caught.value.message


HEADERS = {
    "empty": b"",
    "blank": b"\n\n",
    "no comment": b"select 1 as a",
    "no sentence": b"--\nselect 1 as a",
    "unknown key": b"-- One row.\n-- foo: bar\nselect 1 as a",
    "UTF-16": "-- One row.\nselect 1 as a".encode("utf-16"),
    "no UTF-8": b"-- One row.\nselect '\xe9' as a",
}
PLACES = [
    *("../../x/{exchange}/{symbol}/{day}", "/etc/{exchange}/{symbol}/{day}", "mine/{day}"),
    *(
        "{exchange}/{symbol}/{day}",
        "raw/{exchange}/{symbol}/{day}",
        "RAW/{exchange}/{symbol}/{day}",
    ),
    *("C:/x/{exchange}/{symbol}/{day}", "a\\b/{exchange}/{symbol}/{day}", "{day}", "x/{foo}/{day}"),
    *(
        "con/{exchange}/{symbol}/{day}",
        "mine//{exchange}/{symbol}/{day}",
        "é/{exchange}/{symbol}/{day}",
    ),
    *("mine/{exchange}/{exchange}/{symbol}/{day}", "mine/{exchange}/{symbol}/{day}/x", "~/x"),
    *("parquet/more/{exchange}/{symbol}/{day}", "Parquet/{exchange}/{symbol}/{day}", "."),
    *("mine/{{exchange}}/{symbol}/{day}", "mine/{exchange}/{symbol}-{day}", "m m/{exchange}/{day}"),
]


@pytest.mark.parametrize("kind", HEADERS)
def test_a_file_that_is_no_model_is_refused_with_its_line(lake_folder, kind):
    path = lake_folder / "sql" / "views" / "v.sql"
    path.parent.mkdir(parents=True)
    path.write_bytes(HEADERS[kind])
    line = 2 if kind in ("unknown key", "no UTF-8") else 1
    assert refused(lake_folder).startswith(f"{path}, line {line}: ")


@pytest.mark.parametrize("place", PLACES)
def test_a_place_outside_the_lake_or_in_anothers_way_is_refused(lake_folder, place):
    path = lake_folder / "sql" / "mine" / "s.sql"
    path.parent.mkdir(parents=True)
    path.write_text(stored(place), encoding="utf-8")
    assert refused(lake_folder).startswith(f"{path}, line 3: `-- file: {place}` must ")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sql/x.sql", "move it to sql/<layer>/<name>.sql"),
        ("sql/a/b/x.sql", "move it to sql/<layer>/<name>.sql"),
        ("sql/views/X.SQL", "move it to sql/<layer>/<name>.sql"),
        ("macros/more/x.sql", "move it to macros/<name>.sql"),
        ("sql/views/my view.sql", "a file name is a relation name"),
        ("sql/views/1a.sql", "a file name is a relation name"),
        ("sql/views/trades.sql", "a relation of this name exists already"),
        ("sql/views/vwap.sql", "a relation is called vwap too"),
        ("macros/trades.sql", "a relation is called trades too"),
    ],
)
def test_a_file_in_an_odd_place_is_named_and_not_passed_over(lake_folder, name, said):
    path = lake_folder / name
    path.parent.mkdir(parents=True)
    path.write_text("-- One.\nselect 1 as a", encoding="utf-8")
    message = refused(lake_folder)
    assert said in message and "sql" in message


@pytest.mark.parametrize(
    ("layer", "near"), [("view", "views"), ("Check", "checks"), ("stage", "staging"), ("zzz", "")]
)
def test_a_file_in_a_folder_that_is_no_layer_is_not_passed_over(lake_folder, layer, near):
    path = lake_folder / "sql" / layer / "my_last.sql"
    path.parent.mkdir(parents=True)
    path.write_text("-- One.\nselect 1 as a\n", encoding="utf-8")
    said = f"did you mean sql/{near}? A" if near else "a"
    assert refused(lake_folder).startswith(f"{path}: there is no layer sql/{layer}; {said} file")


def test_a_folder_of_the_lakes_own_may_hold_what_is_stored_and_what_others_read(lake_folder):
    texts = {
        "mine/kept.sql": stored("mine/{exchange}/{symbol}/{day}"),
        "steps/read_by_a_view.sql": "-- One.\nselect 1 as a\n",
        "steps/read_by_a_macro.sql": "-- One.\nselect 1 as a\n",
        "views/my_view.sql": "-- One.\nselect a from read_by_a_view\n",
    }
    for name, text in texts.items():
        (lake_folder / "sql" / name).parent.mkdir(parents=True, exist_ok=True)
        (lake_folder / "sql" / name).write_text(text, encoding="utf-8")
    macro = "-- One.\ncreate or replace macro mine() as table select a from read_by_a_macro\n"
    (lake_folder / "macros").mkdir(exist_ok=True)
    (lake_folder / "macros" / "mine.sql").write_text(macro, encoding="utf-8")
    assert {"kept", "read_by_a_view", "read_by_a_macro"} <= set(Models(load(lake_folder)).models)


def test_hidden_folders_and_other_files_may_lie_there(lake_folder):
    for name in ("sql/views/.ipynb_checkpoints/v.sql", "sql/README.md", "sql/views/.v.sql.swp"):
        (lake_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (lake_folder / name).write_text("x", encoding="utf-8")
    Models(load(lake_folder))


# What a text says when it is rendered and parsed; all in one lake.
TEXTS = {
    "nothing": ("", "line 1: holds 0 statements"),
    "two_statements": ("select 1 as a; select 2 as b", "line 1: holds 2 statements"),
    "open_bracket": ("select (", "line 2 of the rendered SQL: Parser Error"),
    "open_string": ("select 'abc", "line 2 of the rendered SQL: Parser Error: unterminated"),
    "open_comment": ("/* open", "line 2 of the rendered SQL: Parser Error: unterminated"),
    "null_byte": ("select \x00 1", "line 2 of the rendered SQL: Parser Error"),
    "very_deep": (f"select {'(' * 3000}1{')' * 3000} as a", "of the rendered SQL: "),
    "unknown_value": ("\n{{ nosuch }}", "line 3: 'nosuch' is undefined"),
    "unknown_key": ("{{ general.nosuch.x }}", "line 2: "),
    "by_zero": ("{{ 1 / 0 }}", "line 2: division by zero"),
    "no_call": ("{{ general() }}", "line 2: 'General' object is not callable"),
    "no_sum": ("{{ 'a' + 1 }}", "line 2: can only concatenate"),
    "endless": ("{% macro x() %}{{ x() }}{% endmacro %}{{ x() }}", "line 2: maximum recursion"),
    "no_block": ("{% if %}", "line 2: Expected an expression"),
    "no_import": ("{% import 'macros/none.jinja' as x %}", "line 2: 'macros/none.jinja' not found"),
}


def test_a_text_that_is_no_query_is_refused_with_its_line(lake_folder):
    folder = lake_folder / "sql" / "views"
    folder.mkdir(parents=True)
    for name, (text, _) in TEXTS.items():
        (folder / f"{name}.sql").write_text(ONE + text, encoding="utf-8")
    models = Models(load(lake_folder))
    for name, (_, said) in TEXTS.items():
        with pytest.raises(click.ClickException) as caught:
            models.reads(name)
        assert caught.value.message.startswith(f"{folder / name}.sql, "), name
        assert said in caught.value.message, name


# What DuckDB refuses, when the relation is made.
MADE = {
    "drops": ("drop table trades", 'line 2: Parser Error: syntax error at or near "drop"'),
    "writes": ("copy (select 1) to 'x.csv'", "line 2: Parser Error"),
    "sets": ("set threads = 4", "line 2: Parser Error"),
    "unknown": ("from nosuch", "line 2: Catalog Error: Table with name nosuch does not exist"),
    "itself": ("from itself", "line 2: Catalog Error"),
    "no_file": ("from read_parquet('/nonexistent/*.parquet')", "line 2: IO Error"),
    "asks": ("select $1 as a", "Values were not provided"),
}
GRAINS = {"no_column": "nosuch", "no_symbol": "exchange"}


def test_what_cannot_be_made_is_told_by_file_and_line_and_the_rest_is(lake_folder):
    (lake_folder / "sql" / "views").mkdir(parents=True)
    (lake_folder / "sql" / "mine").mkdir()
    for name, (text, _) in MADE.items():
        (lake_folder / f"sql/views/{name}.sql").write_text(ONE + text, encoding="utf-8")
    for name, grain in GRAINS.items():
        columns = "exchange, day" if name == "no_symbol" else "*"
        text = f"{ONE}-- grain: {grain}\n-- file: {name}/{{exchange}}/{{symbol}}/{{day}}\n"
        file = lake_folder / f"sql/mine/{name}.sql"
        file.write_text(f"{text}select {columns} from bars_1s", encoding="utf-8")
    (lake_folder / "sql/views/bom.sql").write_text(ONE + "select 1 as a", encoding="utf-8-sig")
    models = Models(load(lake_folder))
    with engine.connect(models) as con:
        broken = prepare(con, models)
    assert set(broken) == {*MADE, *GRAINS}
    for name, (_, said) in MADE.items():
        assert broken[name].startswith(f"{lake_folder}/sql/views/{name}.sql".replace("\\", "/"))
        assert said in broken[name], name
    assert "names 'nosuch', which is no column" in broken["no_column"]
    assert "names 'symbol', which is no column" in broken["no_symbol"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"select 1",
        b"-- A macro.\ncreate table m as select 1",
        b"-- A macro.\ncreate or replace macro m(x) as x; drop table trades",
        b"-- A macro.\ncreate or replace macro other(x) as x",
        b"-- A macro.\ncreate or replace macro m(x) as x +",
        b"-- A macro.\ncreate or replace macro m(x) as m(x)",
        b"\xff",
    ],
)
def test_a_macro_file_that_is_no_macro_of_its_name_is_refused(lake_folder, text):
    path = lake_folder / "macros" / "m.sql"
    path.parent.mkdir()
    path.write_bytes(text)
    result = lakes.run(lake_folder, "build")
    assert result.exit_code == 1 and f"{path}, line " in result.output
    assert "shows where" not in result.output
