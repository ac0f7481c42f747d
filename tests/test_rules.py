"""Every rule of sql/rules, also future ones: silent on clean data, loud on its own counter-example
and on values that are none.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import lakes
import pytest
from lakes import ROOT
from raw_answers import give_klines

from runner.config import load
from runner.models.models import Models
from runner.moments import microseconds
from runner.validation.checked import Checked, Choice
from runner.validation.rules import Result, check, label, rules

RULES = sorted(path.stem for path in (ROOT / "sql" / "rules").glob("*.sql"))
POISON = ["null", "'nan'::double", "'infinity'::double", "'-infinity'::double"]


class Clean:
    """The relations of a clean lake as a validation shows them, as tables that a test may change
    between `begin` and `rollback`.
    """

    def __init__(self, folder: Path, tf: str, until: str = "2025-10-22"):
        self.models = Models(load(folder))
        choice = Choice(frozenset(), microseconds("2025-10-20"), microseconds(until), tf)
        checked = Checked(self.models, choice)
        self.values = checked.values
        self.con = duckdb.connect()
        self.con.execute("set TimeZone = 'UTC'")
        for macro in self.models.macros.sql():
            self.con.execute(macro)
        names = checked.con.execute(
            "select view_name from duckdb_views() where temporary and not internal "
            "union select table_name from duckdb_tables() where temporary"
        ).fetchall()
        self.names = [name for (name,) in names]
        for name in self.names:
            self.con.register("rows", checked.con.sql(f"from {name}").to_arrow_table())
            self.con.execute(f"create table {name} as from rows")

    @contextmanager
    def changed(self, *statements: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """The tables after some statements, until the end of the block."""
        self.con.execute("begin")
        try:
            for statement in statements:
                self.con.execute(statement)
            yield self.con
        finally:
            self.con.execute("rollback")

    def ask(self, name: str) -> Result:
        return check(self.con, self.models, self.models[name], self.values)

    def violations(self, name: str, symbol: str) -> list[tuple]:
        """All rows of one symbol that break a rule."""
        sql = self.models.render(name, **self.values)
        return self.con.execute(
            f"select window_start, detail from ({sql}) where symbol = $1 order by all", [symbol]
        ).fetchall()

    def breaks(self, name: str) -> str:
        """A rule's own counter-example."""
        rule = self.models[name]
        return self.models.rendered(rule.path, rule.keys["breaks"], **self.values)

    def columns(self, relation: str, *types: str) -> list[str]:
        query = """
            select column_name from duckdb_columns()
            where table_name = $1 and list_contains($2, data_type)"""
        return [name for (name,) in self.con.execute(query, [relation, list(types)]).fetchall()]


def seal(folder: Path, *options: str) -> None:
    """Seal the first of two days, which the lake's clock has left by two minutes only."""
    with (folder / "config.yml").open("a", encoding="utf-8") as config:
        config.write("compact:\n  lateness_minutes: 0\n")
    result = lakes.run(folder, "compact", *options)
    assert result.exit_code == 0, result.output
    assert lakes.ask(folder, "select count(*) > 0 from archive") == [(True,)]


@pytest.fixture(scope="module")
def folder(two_days, tmp_path_factory) -> Path:
    """A clean lake with a sealed day and klines."""
    place = shutil.copytree(two_days, tmp_path_factory.mktemp("clean") / "lake")
    seal(place)
    return give_klines(place)


@pytest.fixture(scope="module")
def seconds(folder) -> Clean:
    return Clean(folder, "1s")


@pytest.fixture(scope="module")
def minutes(folder) -> Clean:
    return Clean(folder, "1m")


@pytest.fixture(params=["seconds", "minutes"])
def clean(request) -> Clean:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def one_trade(tmp_path_factory) -> Clean:
    """A lake of one trade and one quote."""
    folder = lakes.make(tmp_path_factory.mktemp("one") / "lake")
    lakes.put(folder, "SOLUSDT", [lakes.trade("SOLUSDT", 1, lakes.NOON)])
    lakes.put(folder, "SOLUSDT", [lakes.quote("SOLUSDT", 1, lakes.NOON)])
    lakes.put(folder, "_sessions", lakes.sessions(lakes.NOON, lakes.NOON + 1, ["SOLUSDT"]))
    return Clean(give_klines(folder), "1s", until="2025-10-21")


def test_the_rules_are_numbered_without_a_hole(folder):
    found = [label(rule) for rule in rules(Models(load(folder)))]
    assert found == [f"R{number}" for number in range(1, len(RULES) + 1)]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_asked_something_and_silent_on_clean_data(clean, name):
    found = clean.ask(name)
    assert (found.outcome, found.rows) == ("kept", []) and found.checked > 0


@pytest.mark.parametrize("name", RULES)
def test_a_rule_fires_on_its_own_counter_example(clean, name):
    with clean.changed(clean.breaks(name)):
        found = clean.ask(name)
    assert found.outcome == "broken" and found.violations >= len(found.rows) > 0
    for row in found.rows:
        assert row.exchange == "binance" and row.symbol in ("SOLUSDT", "BTCUSDT", None)
        assert row.window_start and row.detail


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_the_same_of_a_symbol_alone_and_beside_another(clean, name):
    owned = [
        f"delete from {relation} where symbol = 'BTCUSDT'"
        for relation in clean.names
        if "symbol" in clean.columns(relation, "VARCHAR")
    ]
    with clean.changed(clean.breaks(name)):
        beside = clean.violations(name, "SOLUSDT")
    with clean.changed(*owned, clean.breaks(name)):
        alone = clean.violations(name, "SOLUSDT")
    assert alone == beside != []


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_silent_where_there_is_nothing(clean, name):
    with clean.changed(*(f"delete from {relation}" for relation in clean.names)) as con:
        assert clean.ask(name).outcome == "not applicable"
        assert con.execute(clean.models.render(name, **clean.values)).fetchall() == []


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_silent_on_a_lake_of_one_trade(one_trade, name):
    assert one_trade.con.execute("select count(*) from checked_bars").fetchall() == [(1,)]
    found = one_trade.ask(name)
    assert found.outcome in ("kept", "not applicable"), found.rows


@pytest.mark.parametrize("value", POISON)
def test_a_value_that_is_none_is_found_in_every_number_of_a_bar(seconds, value):
    texts = {name: seconds.models.render(name, **seconds.values) for name in RULES}
    columns = seconds.columns("checked_bars", "DOUBLE", *(["BIGINT"] if value == "null" else []))
    assert len(columns) >= 11
    for column in columns:
        asked = [
            name
            for name, text in texts.items()
            if "checked_bars" in text and re.search(rf"\b{column}\b", text)
        ]
        change = f"""
            update checked_bars set {column} = {value}
            where symbol = 'SOLUSDT' and trade_count > 0 and bid is not null"""
        with seconds.changed(change):
            found = [seconds.ask(name) for name in asked]
        broken = {result.label for result in found if result.violations}
        is_no_quote = value == "null" and column in ("bid", "ask")
        assert bool(broken) != is_no_quote, (column, value, broken)
        assert {row.symbol for result in found for row in result.rows} <= {"SOLUSDT"}
        assert not any(result.outcome == "not checked" for result in found)


@pytest.mark.parametrize("value", POISON)
def test_a_value_that_is_none_is_found_in_every_field_of_a_kline(seconds, value):
    columns = seconds.columns("klines", "DOUBLE")
    assert len(columns) == 8
    for column in columns:
        with seconds.changed(f"update klines set {column} = {value} where symbol = 'SOLUSDT'"):
            found = seconds.ask("r7_klines_parity")
        told = value.split("'")[1] if "'" in value else value
        assert (
            found.violations > 0
            and f"official {told.removesuffix('inity')}" in found.rows[0].detail
        )


@pytest.mark.parametrize("column", ["window_start", "state", "day"])
def test_a_bar_without_its_time_or_state_is_found(clean, column):
    some = "where window_start = (select quantile_disc(window_start, 0.5) from checked_bars)"
    with clean.changed(f"update checked_bars set {column} = null {some}"):
        assert clean.ask("r5_whole_grid").violations > 0


def test_the_guide_lists_the_rules_as_their_headers_say(folder):
    text = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (R\d+) \| (.+) \| (\w+) \|$", text, re.MULTILINE)
    found = rules(Models(load(folder)))
    assert listed == [(label(rule), rule.sentence, rule.keys["severity"]) for rule in found]
