"""ingest/collect/recover.py: what a killed run left is sealed, and its ends are written."""

import json
import shutil
import time

import click
import pytest
import wire
from wire import events, lake, rows

from ingest.collect import recover
from ingest.collect.recover import Recovered
from runner.lock import hold

DAY = "2025-10-20"
START_US = 1_760_918_400_000_000  # that day, 00:00 UTC


def line(conn: int, recv_us: int) -> str:
    return json.dumps(
        {"symbol": "SOLUSDT", "ts_recv": recv_us, "conn": conn}, separators=(",", ":")
    )


def put(here, name: str, *lines: str, tail: str = "", folder: str = "binance/SOLUSDT", day=DAY):
    """A part as a killed collector leaves it."""
    path = here.base / "raw" / folder / day / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines) + tail)
    return path


def session(event: str, recv_us: int, conn: int | None = None, **facts) -> str:
    return json.dumps({"event": event, "ts_recv": recv_us, "conn": conn} | facts)


def test_an_open_part_is_cut_to_whole_lines_and_its_torn_tail_kept_beside(tmp_path):
    here = lake(tmp_path / "lake")
    path = put(here, "part_061.jsonl.open", line(1, 5), line(1, 6), tail='{"symbol":"SOL')
    assert recover.recover(here) == Recovered(parts=1, torn=1, ends=0)
    assert not path.exists()
    assert [row["ts_recv"] for row in rows(here)] == [5, 6]
    assert path.with_name("part_061.torn").read_text() == '{"symbol":"SOL'
    assert recover.recover(here) == Recovered()


def test_a_part_without_a_whole_line_leaves_only_its_tail(tmp_path):
    here = lake(tmp_path / "lake")
    empty = put(here, "part_001.jsonl.open")
    torn = put(here, "part_002.jsonl.open", tail="x" * 200_000)
    recover.recover(here)
    assert [path.name for path in empty.parent.iterdir()] == ["part_002.torn"]
    assert len(torn.with_name("part_002.torn").read_text()) == 200_000


def test_a_sealed_part_of_the_same_name_is_never_overwritten(tmp_path):
    here = lake(tmp_path / "lake")
    put(here, "part_061.jsonl", line(1, 1))
    put(here, "part_061.jsonl.open", line(1, 2))
    put(here, "part_061_2.jsonl.open", line(1, 3))
    recover.recover(here)
    assert sorted(row["ts_recv"] for row in rows(here)) == [1, 2, 3]


def test_rejected_lines_are_recovered_too(tmp_path):
    here = lake(tmp_path / "lake")
    put(here, "part_061.jsonl.open", line(1, 1), folder="_rejected/binance")
    assert recover.recover(here).parts == 1
    assert len(rows(here, "_rejected/binance")) == 1


def test_every_connection_and_the_run_get_the_end_that_is_missing(tmp_path):
    here = lake(tmp_path / "lake")
    put(
        here,
        "part_001.jsonl",
        session("start", START_US, mode="live"),
        session("connected", START_US + 1, START_US + 1),
        session("connected", START_US + 2, START_US + 2),
        folder="binance/_sessions",
    )
    put(
        here,
        "part_002.jsonl.open",
        session("disconnected", START_US + 50, START_US + 1),
        session("connected", START_US + 60, START_US + 60),
        tail='{"event":"disc',
        folder="binance/_sessions",
    )
    put(here, "part_001.jsonl", line(START_US + 2, START_US + 70))
    put(here, "part_002.jsonl.open", line(START_US + 2, START_US + 90), line(1, 1), tail="{")
    assert recover.recover(here) == Recovered(parts=2, torn=2, ends=3)
    ends = [line for line in events(here) if "recovered: " in (line.get("detail") or "")]
    assert [(end["event"], end["conn"], end["ts_recv"]) for end in ends] == [
        ("disconnected", START_US + 2, START_US + 90),
        ("disconnected", START_US + 60, START_US + 60),
        ("stop", None, START_US + 90),
    ]
    assert "offset" in ends[0]
    assert recover.recover(here) == Recovered()


def test_the_newest_line_may_lie_in_a_part_that_was_just_sealed(tmp_path):
    here = lake(tmp_path / "lake")
    conn = START_US + 1
    put(
        here,
        "part_001.jsonl.open",
        session("start", START_US, mode="live"),
        session("connected", conn, conn),
        folder="binance/_sessions",
    )
    put(here, "part_009.jsonl", line(conn, START_US + 70))
    put(here, "part_1001.jsonl", line(conn, START_US + 99), day=DAY)
    recover.recover(here)
    assert events(here, "disconnected")[0]["ts_recv"] == START_US + 99


def test_a_running_collector_is_left_alone(tmp_path):
    here = lake(tmp_path / "lake")
    path = put(here, "part_061.jsonl.open", line(1, 5), tail="{")
    with hold(here.base / "collector.lock", "collecting"):
        assert recover.recover(here) == Recovered()
    assert path.exists()


def test_nothing_to_recover_makes_nothing(tmp_path):
    here = lake(tmp_path / "lake")
    assert recover.recover(here) == Recovered()
    assert not here.base.exists()
    put(here, "part_061.jsonl", line(1, 5))
    assert recover.recover(here) == Recovered()


def test_days_that_nobody_touched_are_not_looked_into_again(tmp_path, monkeypatch):
    here = lake(tmp_path / "lake")
    put(here, "part_061.jsonl", line(1, 5))
    recover.recover(here)
    monkeypatch.setattr(recover, "recover_held", lambda lake: pytest.fail("looked into parts"))
    assert recover.recover(here) == Recovered()


@pytest.mark.parametrize("listed", [True, False])
def test_a_copied_lake_is_recovered_with_and_without_the_list_of_open_folders(tmp_path, listed):
    here, copy = lake(tmp_path / "lake"), lake(tmp_path / "copy")
    put(here, "part_061.jsonl", line(1, 4), day="2025-10-19")
    recover.recover(here)
    put(here, "part_061.jsonl.open", line(1, 5), day="2025-10-19")
    with (here.base / "raw/_open").open("a") as file:
        file.write("binance/SOLUSDT/2025-10-19\n")
    shutil.copytree(here.base, copy.base)
    if not listed:
        (copy.base / "raw/_open").unlink()
    assert recover.recover(copy).parts == 1
    assert len(rows(copy)) == 2


def test_parts_copied_into_a_lake_later_are_recovered(tmp_path):
    here = lake(tmp_path / "lake")
    put(here, "part_061.jsonl", line(1, 4))
    recover.recover(here)
    time.sleep(0.02)  # a file system's clock ticks every few milliseconds
    put(here, "part_062.jsonl.open", line(1, 5))
    assert recover.recover(here).parts == 1


def test_a_collector_recovers_before_it_begins(tmp_path):
    import asyncio

    here = lake(tmp_path / "lake")
    put(here, "part_061.jsonl.open", line(1, 5), tail="{")

    async def script(socket, number):
        await socket.close(4000)

    async def main():
        async with wire.Wire(script) as exchange:
            await wire.collect(here, exchange)

    asyncio.run(main())
    assert len(rows(here)) == 1 and not list((here.base / "raw").rglob("*.open"))


def test_a_half_line_that_a_killed_recovery_has_put_aside_is_kept_once(tmp_path):
    here = lake(tmp_path / "lake")
    path = put(here, "part_061.jsonl.open", line(1, 5), tail='{"symbol":"SOL')
    torn = path.with_name("part_061.torn")
    torn.write_text('{"symbol":"BTC{"symbol":"SOL')
    recover.recover(here)
    assert torn.read_text() == '{"symbol":"BTC{"symbol":"SOL'
    time.sleep(0.02)  # a file system's clock ticks every few milliseconds
    put(here, "part_061.jsonl.open", tail='{"symbol":"XRP')
    recover.recover(here)
    assert torn.read_text() == '{"symbol":"BTC{"symbol":"SOL{"symbol":"XRP'


def test_a_recovery_that_cannot_write_the_end_of_a_run_says_so(tmp_path):
    here = lake(tmp_path / "lake")
    begin = session("start", START_US, mode="live"), session("connected", START_US + 1, 7)
    put(here, "part_001.jsonl.open", *begin, folder="binance/_sessions")
    tomorrow_us = START_US + 86_400_000_000
    put(here, "part_001.jsonl.open", line(7, tomorrow_us), day="2025-10-21")
    (here.base / "raw/binance/_sessions/2025-10-21").write_text("in the way")
    with pytest.raises(click.ClickException, match="the end of a run cannot be written"):
        recover.recover(here)
    (here.base / "raw/binance/_sessions/2025-10-21").unlink()
    assert recover.recover(here).ends == 2
