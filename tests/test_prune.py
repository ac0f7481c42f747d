"""`lake prune`: packed raw goes only where the sealed files hold all of it, verified then."""

from pathlib import Path

import lakes
import pytest
from lakes import DAY, MIDNIGHT, place, put, quote, trade
from raw_lines import DAY_US, MINUTE_US, SECOND_US
from sealed_lakes import (
    PACK,
    SYMBOL,
    archived,
    bring_late,
    check_promises,
    compact,
    copy,
    make_over,
    shown,
    sums,
)
from test_build_editing import override

from runner.build.packed import pack


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    """A lake whose first day is sealed and 15 days old. Only look."""
    folder = make_over(tmp_path_factory.mktemp("old") / "lake")
    put(folder, SYMBOL, [quote(SYMBOL, 9001, MIDNIGHT + 15 * DAY_US, conn=3)])
    compact(folder)
    return folder


@pytest.fixture
def own(old, tmp_path) -> Path:
    return copy(old, tmp_path / "lake")


def prune(folder: Path, *arguments: str) -> str:
    result = lakes.run(folder, "prune", *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_it_shows_what_it_would_free_and_asks(own):
    size = (own / PACK).stat().st_size
    told = lakes.run(own, "prune", "--raw-older-than", "14d").output  # nobody answers
    assert str(own / PACK) in told and f"{size / 1e6:,.1f} MB" in told
    assert "Remove 2 files" in told and (own / PACK).exists()


def test_with_yes_it_removes_that_and_nothing_else(own):
    before, raw = shown(own), own / "data/raw/binance" / SYMBOL
    packed = {path for path in raw.glob("*.zst") if path.name < "2025-10-22"}
    left = {path for path in raw.rglob("*") if path.is_file()} - packed
    prune(own, "--raw-older-than", "14d", "--yes")
    assert {path for path in raw.rglob("*") if path.is_file()} == left
    assert shown(own) == before
    check_promises(own)
    lakes.bring(own)
    assert lakes.dry(own) == [] and shown(own) == before


def test_younger_raw_stays(own):
    assert "nothing to remove" in prune(own, "--raw-older-than", "16d", "--yes")
    assert (own / PACK).exists()


@pytest.mark.parametrize("days", ["14", "-1d", "d", "two weeks", "14h"])
def test_a_wrong_age_is_wrong_usage(own, days):
    assert lakes.run(own, "prune", "--raw-older-than", days, "--yes").exit_code == 2
    assert (own / PACK).exists()


def test_raw_of_a_damaged_day_stays(own):
    path = own / "data" / place("quotes", SYMBOL, DAY)
    flipped = bytearray(path.read_bytes())
    flipped[100] ^= 1
    path.write_bytes(flipped)
    told = prune(own, "--raw-older-than", "14d", "--yes")
    assert "sha256" in told and str(path) in told and (own / PACK).exists()


def test_raw_stays_while_its_day_is_open_again(own):
    bring_late(own)
    assert "loose raw" in prune(own, "--raw-older-than", "14d", "--yes")
    lakes.bring(own)
    assert "lake compact" in prune(own, "--raw-older-than", "14d", "--yes")
    assert (own / PACK).exists()


def test_raw_whose_trades_lie_in_a_day_that_is_not_sealed_stays(own, tmp_path):
    line = tmp_path / "part_900.jsonl"
    row = trade(SYMBOL, 500, MIDNIGHT - 9 * DAY_US, ts_recv=MIDNIGHT - MINUTE_US)
    line.write_text(lakes.json.dumps(row, separators=(",", ":")) + "\n", encoding="utf-8")
    repack(own, line)
    told = prune(own, "--raw-older-than", "14d", "--yes")
    assert "fall on 2025-10-12, which is not sealed" in told
    assert (own / PACK).exists()


def test_raw_with_a_trade_that_no_sealed_file_holds_stays(own, tmp_path):
    line = tmp_path / "part_900.jsonl"
    row = trade(SYMBOL, 500, MIDNIGHT - SECOND_US)
    line.write_text(lakes.json.dumps(row, separators=(",", ":")) + "\n", encoding="utf-8")
    repack(own, line)
    assert "1 of its lines are not in trades" in prune(own, "--raw-older-than", "14d", "--yes")
    assert (own / PACK).exists()


def repack(folder: Path, line: Path) -> None:
    """Put one more part into the packed raw, unseen by any build."""
    pack(folder / "following.zst", folder / PACK, [line], [])
    (folder / "following.zst").replace(folder / PACK)


def test_late_lines_are_merged_with_days_whose_raw_was_pruned(own):
    prune(own, "--raw-older-than", "14d", "--yes")
    bring_late(own)
    compact(own)
    count = f"select count(*), max(trade_id) from trades where day = '{DAY}'"
    assert lakes.ask(own, count) == [(65, 95)]
    result = lakes.run(own, "build", "--from-raw")
    assert result.exit_code == 1 and f"{SYMBOL} {DAY}" in result.output
    assert lakes.ask(own, count) == [(65, 95)]
    compact(own)
    prune(own, "--raw-older-than", "14d", "--yes")
    assert not (own / PACK).exists()


def test_from_raw_refuses_a_day_whose_raw_was_pruned_each_time_and_leaves_it_sealed(own):
    prune(own, "--raw-older-than", "14d", "--yes")
    before = shown(own), archived(own), sums(own)
    # trade 64 was heard after midnight: its raw is still there, and nothing else of the day
    edit = ("    price,", "    (price + 100)::decimal(18, 8) as price,")
    override(own, "sql/staging/staged_trades.sql", *edit)
    for options in (("--date", DAY), (), ()):
        result = lakes.run(own, "build", "--from-raw", *options)
        assert result.exit_code == 1 and f"{SYMBOL} {DAY}: not all of the raw" in result.output
    files, *told = before
    assert {name: one for name, one in shown(own).items() if DAY in name} == {
        name: one for name, one in files.items() if DAY in name
    }
    assert [archived(own), sums(own)] == told


def test_late_lines_do_not_open_a_pruned_day_to_a_build_from_raw(own):
    prune(own, "--raw-older-than", "14d", "--yes")
    bring_late(own)
    for _ in range(2):  # the first one merges them, and the day is open
        result = lakes.run(own, "build", "--from-raw")
        assert result.exit_code == 1 and f"{SYMBOL} {DAY}: not all of the raw" in result.output
    assert lakes.ask(own, f"select count(*) from trades where day = '{DAY}'") == [(65,)]


def test_raw_with_a_line_that_rejects_holds_only_the_start_of_stays(tmp_path):
    folder = make_over(tmp_path / "lake")
    endless = b'{"x":"' + b"a" * (1 << 20) + b'"}\n'
    lakes.part(folder, SYMBOL, MIDNIGHT - 7200 * SECOND_US, endless)
    put(folder, SYMBOL, [quote(SYMBOL, 9001, MIDNIGHT + 15 * DAY_US, conn=3)])
    compact(folder)
    told = prune(folder, "--raw-older-than", "14d", "--yes")
    assert "1 of its lines are not in rejects as a whole" in told
    assert (folder / PACK).exists()
