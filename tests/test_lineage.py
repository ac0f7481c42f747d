"""`lake lineage`: every public column ends in the raw, and what it names is what counts."""

import re
from pathlib import Path

import click
import lakes
import pytest

from runner.config import load
from runner.lineage.lineage import Lineage, all_of, ends, followed
from runner.models.models import Models


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


# What is no column: a text, a number, null, true, a row's place, or what the runner fills in.
CONSTANT = r"'.*'|-?[0-9.]+|NULL|TRUE|FALSE|row_number\(\)|the (folder|day) of .*"


def test_every_column_of_every_public_relation_ends_in_the_raw_or_a_constant(shipped):
    lost = {}
    for relation in public(shipped):
        for column in shipped.columns(relation):
            found = ends(shipped.step(relation, column), all_of)
            own = ends(shipped.step(relation, column))
            kinds = {end.kind for end in own}
            plain = [end.text for end in found if end.kind == "constant"]
            if (
                {end.kind for end in found} - {"raw", "file", "constant", "kept"}
                or not kinds & {"raw", "file", "constant"}
                or not all(re.fullmatch(CONSTANT, text, re.DOTALL) for text in plain)
            ):
                lost[f"{relation}.{column}"] = found
    assert lost == {}


def test_the_columns_are_those_that_the_engine_sees(shipped, two_days):
    with lakes.lake.connect(two_days) as con:
        for relation in public(shipped):
            described = con.execute(f"describe {relation}").fetchall()
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
    "tape.repaired": {"raw trade_id"},
    "quotes.update_id": {"raw update_id", "raw ts_recv"},  # older lakes have no update ids
    "trades.side": {"'buy'", "'sell'", "raw side"},
    "funding_oi_hourly.oi_usd": {"raw _rest body"},
    "dxy_synthetic_minute.eurusd": {"raw _rest body"},
    "macro_revisions.before_fetched_at": {"raw _rest fetched_at"},
}


@pytest.mark.parametrize("column", EXACTLY)
def test_a_value_comes_from_just_these_keys(shipped, column):
    assert values(shipped, column) == EXACTLY[column]


CHOSEN = {
    "bars_1s.state": {"raw trade_id", "raw ts_event"},
    "tape.verdict": {"raw trade_id", "raw first_id", "raw last_id"},
    "archive.verdict": {"raw trade_id", "raw first_id", "raw last_id"},
    "bars_1m_filled.source": {"raw ts_event", "raw _rest body"},
    "trades.source": {"raw source"},
}


@pytest.mark.parametrize("column", CHOSEN)
def test_a_constant_comes_from_what_chooses_it_also_where_that_is_a_row_found_or_not(
    shipped, column
):
    assert values(shipped, column) >= CHOSEN[column]


def test_what_only_decides_is_no_part_of_the_value(shipped):
    assert "raw trade_id" not in values(shipped, "bars_1s.close")
    assert "raw trade_id" in {end.text for end in ends(shipped.step("bars_1s", "close"))}


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
    "an unnest, a count and rows of values": (
        "select made.x as p, count() as n, v.k from trades, unnest([price]) as made(x), "
        "(values ('a')) v(k) group by all",
        {"p": {"raw price"}, "n": {"raw trade_id"}, "k": {"'a'"}},
    ),
    "a row that is found or not": (
        "with a as (select trade_id from trades where qty > 1) select case when a.trade_id is null "
        "then 'no' else 'yes' end as p from quotes left join a on a.trade_id = update_id",
        {"p": {"'no'", "'yes'", "raw trade_id", "raw qty"} | {"raw update_id", "raw ts_recv"}},
    ),
    "a setting": (
        "select {{ rules.max_spread_bps }} as limit_bps, symbol from trades",
        {"limit_bps": {"500.0"}},
    ),
}


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Lineage:
    """The lineage of a lake that has them all as views of its own."""
    folder = lakes.make(tmp_path_factory.mktemp("own") / "lake")
    (folder / "sql" / "views").mkdir(parents=True)
    for kind, (sql, _) in OWN.items():
        path = folder / "sql" / "views" / f"{kind.replace(' ', '_').replace(',', '')}.sql"
        path.write_text(f"-- Mine.\n-- grain: p\n{sql}\n")
    return lineage_of(folder)


@pytest.mark.parametrize("kind", OWN)
def test_a_view_of_the_lakes_own_is_followed_too(own, kind):
    name, wanted = kind.replace(" ", "_").replace(",", ""), OWN[kind][1]
    assert {column: values(own, f"{name}.{column}") for column in wanted} == wanted


def test_what_is_not_there_and_a_row_as_a_whole_are_marked_as_unknown(lake_folder):
    (lake_folder / "sql" / "views").mkdir(parents=True)
    for text, name in [("p from nowhere", "nowhere.p"), ("trades as p from trades", "?.trades")]:
        text = f"-- Mine.\n-- grain: p\nselect {text}\n"
        (lake_folder / "sql" / "views" / "mine.sql").write_text(text)
        [end] = ends(lineage_of(lake_folder).step("mine", "p"))
        assert (end.kind, end.text) == ("unknown", f"not known: {name}")


UNFOLLOWED = (
    "select from",
    "select columns('p.*') from trades",
    "select * like 'p%' from trades",
    "pivot trades on side using sum(qty)",
    "select * from (pivot trades on side using sum(qty))",
    "select * from read_csv('mine.csv')",
    "select side, sum(qty) from trades group by all",
    "select * from trades asof join quotes using (symbol, ts_event)",
)


def test_sql_that_cannot_be_followed_is_named(lake_folder):
    (lake_folder / "sql" / "views").mkdir(parents=True)
    for text in UNFOLLOWED:
        (lake_folder / "sql" / "views" / "mine.sql").write_text(f"-- Mine.\n-- grain: p\n{text}\n")
        with pytest.raises(click.ClickException, match=r"mine\.sql(,|: its columns cannot be)"):
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
    assert max(map(len, lines)) <= 80
    drawn = [line.split("─ ")[-1].split("  ")[0] for line in lines if "─ " in line]
    drawn = [name for name in drawn if f"{name}  (as above)" not in result.output]
    assert len(drawn) == len(set(drawn)) and {"raw price", "raw qty"} <= set(drawn)


def test_a_relation_without_a_column_is_told_a_line_a_column(lake_folder, shipped):
    lines = lakes.run(lake_folder, "lineage", "bars_1m").output.splitlines()
    told = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert told == shipped.columns("bars_1m") and max(map(len, lines)) <= 80
    assert "vwap             raw price, raw qty" in lines


def test_a_stored_relation_of_the_lakes_own_is_followed_by_the_command(lake_folder):
    (lake_folder / "sql" / "mine").mkdir(parents=True)
    text = """-- Mine.
-- grain: exchange, symbol, day
-- file: mine/{exchange}/{symbol}/{day}
select '{{ exchange }}' as exchange, '{{ symbol }}' as symbol, date '{{ day }}' as day,
    max(price) as Top
from trades
"""
    (lake_folder / "sql" / "mine" / "tops.sql").write_text(text)
    lines = lakes.run(lake_folder, "lineage", "tops").output.splitlines()
    assert lines[-2:] == ["day       the day of the file", "top       raw price"]
    lines = lakes.run(lake_folder, "lineage", "tops.Top").output.splitlines()
    assert lines[:2] == [
        "tops.top  sql/mine/tops.sql (this lake's own)",
        "└─ trades.price  sql/staging/trades.sql",
    ]


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


def test_a_macro_of_the_lakes_own_is_marked_in_the_tree(lake_folder):
    (lake_folder / "macros").mkdir()
    text = (lakes.ROOT / "macros" / "vwap.sql").read_text(encoding="utf-8")
    (lake_folder / "macros" / "vwap.sql").write_text(text, encoding="utf-8")
    drawn = " ".join(lakes.run(lake_folder, "lineage", "bars_1m.vwap").output.split())
    assert "macros/vwap.sql (this lake's own)" in drawn and drawn.count("(this lake's own)") == 1
