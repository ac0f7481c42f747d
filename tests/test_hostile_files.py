"""Odd names and odd lines in raw/: read or named, never passed over and never in the way."""

import json
import os
from pathlib import Path

import lakes
import pytest
from lakes import DAY, NOON

from runner.paths import decode, encode

DEVICES = ["CON", "nul", "AUX.X", "COM1", "lpt9.txt", "PRN."]
ODD = ["..", ".", "a/b", "a\\b", "C:x", "~", "%41", "x'; drop table t; --", "{{ 7*7 }}", "ES=F"]
ODD += ["trailing.", "trailing ", " ", "a*b?[c]", "币安人生USDT", "-rf", "\u0000x", "A" * 60]


@pytest.mark.parametrize("name", DEVICES + ODD)
def test_any_name_has_a_folder_that_every_system_takes(name):
    folder = encode(name)
    assert decode(folder) == name
    assert not set(folder) & set('<>:"/\\|?*=\0 ') and folder not in (".", "..")
    assert not folder.endswith((".", " ")) and folder.isascii()
    assert folder.split(".")[0].upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}


def test_symbols_of_any_name_are_built_and_found_by_their_name(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    names = ["CON", "nul.x", "..", "x'; drop table t; --", "a*b?[c]", "币安人生USDT"]
    for name in names:
        place = folder / "data/raw/binance" / encode(name) / DAY
        place.mkdir(parents=True)
        line = json.dumps(lakes.trade(name, 7, NOON), ensure_ascii=False)
        (place / "part_721.jsonl").write_text(line + "\n", encoding="utf-8")
    lakes.bring(folder)
    for relation in ("trades", "bars_1s", "bars_1m", "tape"):
        found = lakes.ask(folder, f"select symbol from {relation} order by symbol")
        assert found == [(name,) for name in sorted(names)]


def build(folder: Path) -> list[str]:
    result = lakes.run(folder, "build")
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.fixture
def one_part(lake_folder) -> Path:
    """The day folder of a lake with one trade in one raw part."""
    return lakes.part(lake_folder, "SOLUSDT", NOON, line(1)).parent


def line(number: int) -> bytes:
    return json.dumps(lakes.trade("SOLUSDT", number, NOON + number)).encode() + b"\n"


def test_what_is_no_raw_part_is_named_in_one_line_and_the_rest_is_built(one_part, lake_folder):
    odd = ["part_000.jsonl", "notes.txt", "PART_722.JSONL", "part_723.json", "repair_99_1_2.jsonl"]
    for name in odd:
        (one_part / name).write_bytes(line(2))
    (one_part / "part_724.jsonl").mkdir()
    (one_part.parent / "2025-13-45").mkdir()
    (one_part.parent.parent / "ES=F").mkdir()
    (one_part.parent.parent / "stray.jsonl").write_bytes(line(3))
    told = build(lake_folder)[0]
    assert told.startswith("not read, as no raw part is named so: raw")
    assert told.endswith("and 4 more") and told.count(", ") == 5
    assert lakes.ask(lake_folder, "select trade_id from trades") == [(1,)]


def test_what_belongs_there_is_not_named(one_part, lake_folder):
    names = ["part_722.torn", "part_722.jsonl.open", ".hidden", "repair_13_5_9.jsonl"]
    for name in names:
        (one_part / name).write_bytes(b"")
    (one_part.parent / f"{DAY}.jsonl.zst").touch()
    assert not any("not read" in told for told in build(lake_folder))


@pytest.mark.skipif(os.name == "nt", reason="links need rights there, and names are text")
def test_links_in_circles_and_names_that_are_no_text_do_no_harm(one_part, lake_folder):
    (one_part / "part_725.jsonl").symlink_to(one_part / "part_725.jsonl")
    (one_part / "part_726.jsonl").symlink_to(one_part / "gone")
    (one_part / "up").symlink_to(one_part.parent.parent)
    (one_part / "part_727.jsonl").symlink_to(one_part.parent)
    Path(os.fsdecode(os.fsencode(one_part) + b"/\xff\xfe.jsonl")).touch()
    Path(os.fsdecode(os.fsencode(one_part.parent.parent) + b"/\xff")).mkdir()
    assert build(lake_folder)[0].endswith("and 1 more")
    assert build(lake_folder) == ["nothing is stale: everything is up to date"]
    assert lakes.ask(lake_folder, "select trade_id from trades") == [(1,)]


GARBAGE = {
    b"garbage": "not JSON in UTF-8",
    b"\xff\xfe": "not JSON in UTF-8",
    b"[]": "not a JSON object",
    b"{}": "event is not a word",
    b'{"event":"start","ts_recv":1.5}': "ts_recv is not an integer",
    b'{"event":"start","ts_recv":5}': "ts_recv is not a time from 2000 to 2099",
    b'{"event":"start","ts_recv":true}': "ts_recv is not an integer",
    b'{"event":"a","event":"b","ts_recv":1}': "a key is there twice",
    b'{"event":"subscribed","ts_recv":1760961600000000,"symbols":"X"}': "symbols is not a list",
    b'{"event":"clock","ts_recv":1760961600000000,"offset":1e3}': "offset is not an integer",
    b'{"event":"connected","ts_recv":1760961600000000,"conn":9223372036854775808}': (
        "conn is not an integer"
    ),
}


def test_a_session_line_that_cannot_be_read_is_a_reject_and_the_others_count(lake_folder):
    lakes.put(lake_folder, "SOLUSDT", [lakes.trade("SOLUSDT", 1, NOON, conn=77)])
    lines = [json.dumps(row).encode() for row in lakes.sessions(NOON, NOON + 9, ["SOLUSDT"], 77)]
    part = lakes.part(lake_folder, "_sessions", NOON, b"\n".join([*GARBAGE, *lines, b""]))
    (part.parent.parent / "backup").mkdir()
    (part.parent.parent / "backup" / "x.jsonl").write_bytes(b"garbage\n")
    lakes.bring(lake_folder)
    found = lakes.ask(lake_folder, "select symbol, file, line, reason from rejects order by line")
    reasons = list(GARBAGE.values())
    assert found == [("_sessions", part.name, n, why) for n, why in enumerate(reasons, 1)]
    sessions = lakes.ask(lake_folder, "select conn, ended_by, symbols from sessions")
    assert sessions == [(77, "closed", ["SOLUSDT"])]
    assert lakes.dry(lake_folder) == []
    part.write_bytes(b"\n".join([*lines, b""]))
    lakes.bring(lake_folder)
    assert lakes.ask(lake_folder, "select * from rejects") == []
