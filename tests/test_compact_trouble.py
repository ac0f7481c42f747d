"""Sealing and pruning where something is odd: new raw meanwhile, half lines, unknown symbols."""

import shutil
from pathlib import Path

import lakes
import pyarrow as pa
import pytest
from lakes import DAY, MIDNIGHT, NEXT_DAY, put, quote, trade
from raw_lines import DAY_US, MINUTE_US
from sealed_lakes import OVER_US, PACK, SYMBOL, archived, compact, copy, make_over, raw_of

from runner.build.build import build
from runner.build.inventory import look
from runner.build.packed import content, pack, read_index
from runner.config import load
from runner.seal.compact import Compacted, seal_symbols


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory) -> Path:
    """A built lake whose first day is over. Only look."""
    return make_over(tmp_path_factory.mktemp("unsealed") / "lake")


@pytest.fixture(scope="module")
def old(unsealed, tmp_path_factory) -> Path:
    """The same lake, its first day sealed and 15 days old. Only look."""
    folder = copy(unsealed, tmp_path_factory.mktemp("old") / "lake")
    put(folder, SYMBOL, [quote(SYMBOL, 9001, MIDNIGHT + 15 * DAY_US, conn=3)])
    compact(folder)
    return folder


def sealed_now(folder: Path) -> Compacted:
    """What sealing does of a lake that was built before."""
    done = Compacted()
    seal_symbols(load(folder), None, frozenset(), done)
    return done


def test_raw_of_today_that_comes_after_the_build_keeps_no_day_from_being_sealed(tmp_path, unsealed):
    folder = copy(unsealed, tmp_path / "lake")
    build(load(folder))
    put(folder, SYMBOL, [quote(SYMBOL, 9002, OVER_US + MINUTE_US, conn=2)])
    done = sealed_now(folder)
    assert len(done.sealed) == 1 and DAY in done.sealed[0] and not done.waiting
    assert archived(folder)


def test_raw_of_a_day_that_is_over_which_comes_after_the_build_waits_and_is_named(
    tmp_path, unsealed
):
    folder = copy(unsealed, tmp_path / "lake")
    build(load(folder))
    put(folder, SYMBOL, [trade(SYMBOL, 95, MIDNIGHT - 30 * MINUTE_US, conn=None, source="rest")])
    done = sealed_now(folder)
    assert done.sealed == done.failed == [] and archived(folder) == {}
    assert f"{SYMBOL} has raw that came after it was built" in done.told()[0]
    assert f"sealed {SYMBOL} {DAY}" in compact(folder)[0]


def test_parts_without_a_last_line_end_can_be_packed_again_and_again(tmp_path):
    lines = {"part_001.jsonl": b'{"a":1}\n{"b":2}', "part_002.jsonl": b"", "part_003.jsonl": b"{}"}
    before = None
    for number, (name, text) in enumerate(lines.items()):
        loose = tmp_path / name
        loose.write_bytes(text)
        target = tmp_path / f"{number}.zst"
        pack(target, before, [loose], [])
        before = target
    index = read_index(before)
    assert {part.name: content(before, part) for part in index.parts} == lines
    with pa.input_stream(str(before), compression="zstd") as stream:
        assert stream.read() == b'{"a":1}\n{"b":2}\n{}\n'


def test_half_lines_beside_a_sealed_day_are_no_raw_of_it(tmp_path, old):
    folder = copy(old, tmp_path / "lake")
    torn = (folder / PACK).with_name(DAY) / "part_900.torn"
    torn.parent.mkdir()
    torn.write_bytes(b'{"symbol":')
    days = look(folder / "data", "binance", SYMBOL).raw_days
    assert DAY not in days and days
    lakes.bring(folder)
    compact(folder)
    told = lakes.run(folder, "prune", "--raw-older-than", "14d", "--yes").output
    assert "has loose raw" not in told and not (folder / PACK).exists()
    assert torn.read_bytes() == b'{"symbol":'


def test_loose_raw_of_a_sealed_day_still_keeps_its_packed_raw(tmp_path, old):
    folder = copy(old, tmp_path / "lake")
    opened = (folder / PACK).with_name(DAY) / "part_900.jsonl.open"
    opened.parent.mkdir()
    opened.write_bytes(b"{}\n")
    told = lakes.run(folder, "prune", "--raw-older-than", "14d", "--yes").output
    assert f"{folder / PACK}: its day has loose raw too" in told and (folder / PACK).exists()


def test_unreadable_lines_of_another_day_do_not_stand_for_those_of_the_day(tmp_path, unsealed):
    folder = copy(unsealed, tmp_path / "lake")
    lakes.part(folder, SYMBOL, MIDNIGHT + MINUTE_US, b"odd\nlines\n")
    put(folder, SYMBOL, [quote(SYMBOL, 9001, MIDNIGHT + 15 * DAY_US, conn=3)])
    compact(folder)
    assert raw_of(folder, NEXT_DAY) == {}
    odd = tmp_path / "part_900.jsonl"
    odd.write_bytes(b"never built\n")
    pack(tmp_path / "following.zst", folder / PACK, [odd], [NEXT_DAY])
    shutil.move(tmp_path / "following.zst", folder / PACK)
    told = lakes.run(folder, "prune", "--raw-older-than", "14d", "--yes").output
    assert "1 of its lines are not in rejects" in told and (folder / PACK).exists()


@pytest.mark.parametrize("command", [["compact"], ["prune", "--raw-older-than", "1d", "--yes"]])
def test_a_symbol_that_is_not_there_is_refused_with_the_one_that_was_meant(old, command):
    result = lakes.run(old, *command, "--symbols", SYMBOL.lower())
    assert result.exit_code == 1 and f"did you mean '{SYMBOL}'?" in result.output
    assert (old / PACK).exists()


@pytest.mark.parametrize(
    "command", [["build"], ["validate"], ["compact"], ["prune", "--raw-older-than", "1d", "--yes"]]
)
def test_an_empty_list_of_symbols_does_not_mean_all_of_them(old, command):
    result = lakes.run(old, *command, "--symbols", " , ")
    assert result.exit_code == 2 and "names none" in result.output
    assert (old / PACK).exists()
