"""`lake lineage`: every public column ends in the raw, and what it names is what counts."""

import re
from collections.abc import Callable
from pathlib import Path

import click
import lakes
import pytest
from lakes import NOON, quote, trade
from raw_lines import SECOND_US

from runner.config import load
from runner.lineage.lineage import Lineage, ends, followed
from runner.models.models import Models

SYMBOL = "SOLUSDT"


def lineage_of(folder: Path) -> Lineage:
    return Lineage(Models(load(folder)))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> Lineage:
    return lineage_of(lakes.make(tmp_path_factory.mktemp("lineage") / "lake"))


def public(lineage: Lineage) -> list[str]:
    """The relations that people query."""
    models = lineage.models.models.values()
    return [model.name for model in models if model.file or model.is_view]


def values(lineage: Lineage, column: str) -> set[str]:
    """What a column's values are in the end."""
    relation, name = column.split(".")
    return {end.text for end in ends(lineage.step(relation, name), followed)}


def test_every_column_of_every_public_relation_ends_in_the_raw_or_a_constant(shipped):
    lost = {}
    for relation in public(shipped):
        for column in shipped.columns(relation):
            found = ends(shipped.step(relation, column))
            kinds = {end.kind for end in found}
            if "unknown" in kinds or not kinds & {"raw", "file", "constant"}:
                lost[f"{relation}.{column}"] = found
    assert lost == {}


def test_the_columns_are_those_that_the_engine_sees(shipped, two_days):
    for relation in public(shipped):
        described = lakes.ask(two_days, f"describe {relation}")
        assert shipped.columns(relation) == [row[0] for row in described], relation


EXACTLY = {
    "trades.price": {"raw price"},
    "bars_1s.close": {"raw price"},
    "bars_1s.trade_count": {"raw trade_id"},
    "bars_1m.vwap": {"raw price", "raw qty"},
    "bars_1m.bid": {"raw bid"},
    "bars_1d.spread": {"raw bid", "raw ask"},
    "latest_price.price": {"raw price"},
    "bars_1s.exchange": {"the folder of the exchange"},
    "bars_1s.day": {"the day of the file"},
    "sessions.clock_offset_us": {"raw _sessions offset", "sessions as published before"},
    "archive.sha256": {"sha256 of the sealed file"},
    "rejects.text": {"content of the raw file"},
    "tape.first_id": {"raw trade_id"},
    "tape.missing": {"raw trade_id", "raw first_id", "raw last_id"},
}


@pytest.mark.parametrize("column", EXACTLY)
def test_a_value_comes_from_just_these_keys(shipped, column):
    assert values(shipped, column) == EXACTLY[column]


def test_what_only_decides_is_no_part_of_the_value(shipped):
    assert "raw trade_id" not in values(shipped, "bars_1s.close")
    assert "raw trade_id" in {end.text for end in ends(shipped.step("bars_1s", "close"))}


# the same lake with one key of its raw lines changed: what it changes must name that key. (Which
# rows there are, `where`, is not followed: so no `source`, for trades of REST make no cover.)


def lines() -> list[dict]:
    rows = []
    for number in range(1, 13):
        moment = NOON + number * 1_700_000
        rows.append(quote(SYMBOL, 3 * number, moment - 900_000, f"9{number % 5}", f"10{number}"))
        side = "sell" if number % 3 else "buy"
        rows.append(trade(SYMBOL, number, moment, f"100.{number}", f"1.{number}", side=side))
    return rows


CHANGES: dict[str, Callable[[dict], object]] = {
    "price": lambda row: "250.5",
    "side": lambda row: {"buy": "sell", "sell": "buy"}[row["side"]],
    "trade_id": lambda row: row["trade_id"] + 700,
    "ts_recv": lambda row: row["ts_recv"] + 3,
    "event_time": lambda row: row["event_time"] + SECOND_US,
    "bid": lambda row: "88.5",
    "update_id": lambda row: row["update_id"] + 700,
}


def shown(folder: Path, relations: list[str]) -> dict[str, list]:
    """The values of every column, each column by itself."""
    found = {}
    with lakes.lake.connect(folder) as con:
        for relation in relations:
            asked = con.execute(f"from {relation} order by all")
            names = [column[0] for column in asked.description]
            rows = asked.fetchall()
            for place, name in enumerate(names):
                found[f"{relation}.{name}"] = sorted(str(row[place]) for row in rows)
    return found


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory, shipped) -> dict[str, list]:
    return _built(tmp_path_factory.mktemp("unchanged") / "lake", lines(), shipped)


def _built(folder: Path, rows: list[dict], lineage: Lineage) -> dict[str, list]:
    lakes.make(folder)
    lakes.put(folder, SYMBOL, rows)
    lakes.put(folder, "_sessions", lakes.sessions(NOON, NOON + 60 * SECOND_US, [SYMBOL]))
    lakes.bring(folder)
    return shown(folder, [name for name in public(lineage) if name != "archive"])


@pytest.mark.parametrize("key", CHANGES)
def test_a_key_changes_no_column_that_does_not_name_it(key, shipped, unchanged, tmp_path):
    rows = [{**row, key: CHANGES[key](row)} if row.get(key) else row for row in lines()]
    changed = lakes.changed(unchanged, _built(tmp_path / "lake", rows, shipped))
    assert changed
    silent = {
        column
        for column in changed
        if f"raw {key}" not in {end.text for end in ends(shipped.step(*column.split(".")))}
    }
    assert silent == set()


# a lake's own SQL

OWN = {
    "fields of a struct, each by itself": (
        "with a as (select symbol, arg_max({'p': price, 'q': qty}, trade_id) as last from trades "
        "group by all) select symbol, last.p as p, last.q + 1 as q from a",
        {"p": {"raw price"}, "q": {"raw qty"}},
    ),
    "a union by name": (
        "select price as p, qty as q, null::double as n from trades "
        "union all by name select bid_qty as q, ask as n from quotes",
        {"p": {"raw price"}, "q": {"raw qty", "raw bid_qty"}, "n": {"raw ask"}},
    ),
    "stars with and without": (
        "with a as (from trades) select * exclude (qty) replace (price * 2 as price) from a",
        {"price": {"raw price"}, "ts_recv": {"raw ts_recv"}},
    ),
    "a window": (
        "select lag(price) over (partition by side order by trade_id) as p from trades",
        {"p": {"raw price"}},
    ),
    "a lambda and a list": (
        "select list_transform(list(price), lambda x: x + 1) as p from trades",
        {"p": {"raw price"}},
    ),
    "a subquery": (
        "select (select max(ask) from quotes) - price as p from trades",
        {"p": {"raw ask", "raw price"}},
    ),
    "a macro that returns rows": (
        "select one.close - other.bid as p from bars('X', '2025-10-20', '2025-10-21') as one, "
        "bars('Y', '2025-10-20', '2025-10-21') as other",
        {"p": {"raw price", "raw bid"}},
    ),
    "a setting": (
        "select {{ rules.max_spread_bps }} as limit_bps, symbol from trades",
        {"limit_bps": {"500.0"}},
    ),
}


@pytest.mark.parametrize("kind", OWN)
def test_a_view_of_the_lakes_own_is_followed_too(lake_folder, kind):
    sql, wanted = OWN[kind]
    (lake_folder / "sql" / "views").mkdir(parents=True)
    (lake_folder / "sql" / "views" / "mine.sql").write_text(f"-- Mine.\n-- grain: p\n{sql}\n")
    lineage = lineage_of(lake_folder)
    assert {column: values(lineage, f"mine.{column}") for column in wanted} == wanted


def test_a_relation_that_is_not_there_is_marked_as_unknown(lake_folder):
    (lake_folder / "sql" / "views").mkdir(parents=True)
    text = "-- Mine.\n-- grain: p\nselect p from nowhere\n"
    (lake_folder / "sql" / "views" / "mine.sql").write_text(text)
    [end] = ends(lineage_of(lake_folder).step("mine", "p"))
    assert (end.kind, end.text) == ("unknown", "not known: nowhere.p")


def test_sql_that_cannot_be_followed_is_named(lake_folder):
    (lake_folder / "sql" / "views").mkdir(parents=True)
    patterns = "select columns('p.*') from trades"
    for text in ("select from", patterns, "pivot trades on side using sum(qty)"):
        (lake_folder / "sql" / "views" / "mine.sql").write_text(f"-- Mine.\n-- grain: p\n{text}\n")
        with pytest.raises(click.ClickException, match=r"mine\.sql"):
            lineage_of(lake_folder).columns("mine")


# what the command prints


def test_the_tree_leads_through_every_file_to_the_keys(lake_folder):
    result = lakes.run(lake_folder, "lineage", "bars_1m.vwap")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("bars_1m.vwap  sql/views/bars_1m.sql, macros/exact.sql, macros/vwap")
    assert lines[-1] == "from: raw price, raw qty"
    for name in ("bars_1s.volume_quote", "trade_bars_1s.volume_quote", "trades.qty", "lines.qty"):
        assert sum(re.search(rf"─ {name}  sql/", line) is not None for line in lines) == 1
    drawn = [line.split("─ ")[-1].split("  ")[0] for line in lines if "(as above)" not in line]
    assert len(drawn) == len(set(drawn) | {"raw price", "raw qty"})


def test_a_relation_without_a_column_is_told_a_line_a_column(lake_folder, shipped):
    lines = lakes.run(lake_folder, "lineage", "bars_1m").output.splitlines()
    assert [line.split()[0] for line in lines] == shipped.columns("bars_1m")
    assert "vwap             raw price, raw qty" in lines


def test_the_graph_is_mermaid_with_dotted_lines_from_what_decides(lake_folder):
    text = lakes.run(lake_folder, "lineage", "bars_1m.bid", "--format", "mermaid").output
    lines = text.splitlines()
    assert lines[0] == "graph LR"
    names = dict(re.findall(r'^  (n\d+)\["(.*)"\]$', text, re.MULTILINE))
    edges = re.findall(r"^  (n\d+) (-->|-\.->) (n\d+)$", text, re.MULTILINE)
    assert 1 + len(names) + len(edges) == len(lines)
    assert {end for one, _, other in edges for end in (one, other)} == set(names)
    named = {(names[one], arrow, names[other]) for one, arrow, other in edges}
    assert ("bars_1s.bid", "-->", "bars_1m.bid") in named
    assert ("bars_1s.window_start", "-.->", "bars_1m.bid") in named
    assert ("raw bid", "-->", "lines.bid") in named


@pytest.mark.parametrize(
    "asked, hint",
    [
        ("bars_1n.vwap", "did you mean 'bars_1"),
        ("bars_1m.vwapp", "no column of bars_1m; did you mean 'vwap'"),
        ("bars_1m.zzz", "there are exchange, symbol"),
        ("r1_ohlc_order", "no relation"),
        ("", "no relation"),
    ],
)
def test_a_name_that_is_not_there_is_wrong_usage_with_a_hint(lake_folder, asked, hint):
    result = lakes.run(lake_folder, "lineage", asked)
    assert result.exit_code == 2 and hint in result.output.replace("\n", " ")
