"""`lake build --dry-run`: what it says is what the build then does, and a person can read it."""

from datetime import date, timedelta
from pathlib import Path
from shutil import copytree

import lakes
from raw_answers import kline, klines, put_klines
from test_build_editing import override

from runner.build import dry_run
from runner.build.build import Choice, build
from runner.build.report import Report
from runner.build.unit import Unit

MINE = """-- The dearest second of a day.
-- grain: exchange, symbol, day
-- file: dearest/{exchange}/{symbol}/{day}
select exchange, symbol, day, max(high) as high from bars_1s group by all
"""


def late_trade_and_new_answer(folder: Path) -> None:
    """A trade of one symbol into a day that is over, and a candle of it."""
    row = lakes.trade("SOLUSDT", 95, lakes.MIDNIGHT - 60_000_000, ts_recv=lakes.MIDNIGHT + 9)
    lakes.put(folder, "SOLUSDT", [row])
    put_klines(folder, [klines([kline(lakes.NOON, close="100.7")], lakes.MIDNIGHT)])


def edited_formula_and_lost_file(folder: Path) -> None:
    formula = "sum(volume_quote)::double /"
    override(folder, "macros/vwap.sql", formula, f"1 + {formula}")
    (folder / "data" / lakes.place("trades", "BTCUSDT", lakes.DAY)).unlink()


def edited_staging_and_own_relation(folder: Path) -> None:
    override(folder, "sql/staging/staged_trades.sql", "'buy'", "'bought'")
    (folder / "sql" / "mine").mkdir()
    (folder / "sql" / "mine" / "dearest.sql").write_text(MINE)


STEPS = [
    (late_trade_and_new_answer, Choice(symbols=frozenset({"SOLUSDT"}))),
    (edited_formula_and_lost_file, Choice(select="bars_1s+", day=lakes.DAY)),
    (edited_staging_and_own_relation, Choice()),
]


def test_what_a_dry_run_says_is_what_the_build_then_does(two_days, tmp_path):
    folder = copytree(two_days, tmp_path / "lake")
    for step, choice in STEPS:
        step(folder)
        before = lakes.stamps(folder)
        with lakes.knowing(folder) as here:
            said = build(here, choice, dry_run=True, threads=1)
            assert lakes.stamps(folder) == before, step
            done = build(here, choice, threads=1)
        assert not said.failed and not done.failed, step
        assert said.staged == done.staged and said.answers == done.answers, step
        certain, made = set(map(str, said.units)), set(map(str, done.units))
        assert certain <= made, step
        perhaps = {(one.relation, one.symbol) for one in said.perhaps}
        others = [unit for unit in done.units if str(unit) not in certain]
        assert {(unit.relation, unit.symbol) for unit in others} <= perhaps, step
        assert bool(said.catalog) == bool(done.catalog), step
        assert made or said.answers, step


def units(relation: str, why: str, symbols: int, days: int) -> list[Unit]:
    first = date(2025, 8, 1)
    return [
        Unit(relation, "binance", f"S{number}USDT", str(first + timedelta(n)), Path("none"), why)
        for number in range(symbols)
        for n in range(days)
    ]


def test_a_plan_of_thousands_of_files_fits_a_screen():
    report = Report(units=units("bars_1s", "macros/vwap.sql changed", 19, 90))
    report.units += units("covers", "not there", 1, 1) + units("trades", "hours changed: 3", 2, 4)
    report.units = [unit for unit in report.units if str(unit) != "trades S1USDT 2025-08-02"]
    lines = dry_run.folded(report)
    assert max(map(len, lines)) <= 80
    assert [" ".join(line.split()) for line in lines if "─" not in line] == [
        "what of days how much",
        "bars_1s 19 symbols 2025-08-01 to 2025-10-29 1,710 files",
        "macros/vwap.sql changed",
        "covers S0USDT 2025-08-01 1 file",
        "not there",
        "trades S0USDT 2025-08-01 to 2025-08-04 4 files",
        "hours changed: 3",
        "trades S1USDT 3 days to 2025-08-04 3 files",
        "hours changed: 3",
        "in all: 1,718 files to publish",
    ]
    assert len(dry_run.each(report)) == len(report.units)


def test_a_plan_of_very_many_reasons_says_how_to_see_the_rest():
    report = Report(units=[*units("bars_1s", "not there", 1, 1)])
    for number in range(40):
        report.units += units(f"relation_{number}", f"sql/my/file_{number}.sql changed", 2, 3)
    lines = dry_run.folded(report)
    assert "… and 17 more rows; --all names every file" in lines
    assert len(lines) <= 60 and max(map(len, lines)) <= 80


def test_a_plan_names_raw_parts_and_what_is_read(tmp_path):
    folder = lakes.make_two_days(tmp_path / "lake", ["SOLUSDT"])
    result = lakes.run(folder, "build", "--dry-run", "--date", lakes.DAY)
    lines = result.output.splitlines()
    raw = folder / "data" / "raw" / "binance" / "SOLUSDT"
    size = sum(path.stat().st_size for path in raw.rglob("*.jsonl"))
    assert f"4 hours, {size / 1000:.0f} kB" in result.output and "not staged yet" in result.output
    assert lines[-1].startswith(f"in all: {size / 1000:.0f} kB of raw to read, 1 file to publish")
    assert max(map(len, lines)) <= 80


def test_all_goes_with_a_dry_run_only(lake_folder):
    assert lakes.run(lake_folder, "build", "--all").exit_code == 2
