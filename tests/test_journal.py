"""ingest/collect: which part a line goes to, and what a full disk does."""

import errno
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.collect import part, unsealed
from ingest.collect.buffer import HOUR_US, Lane, Room
from ingest.collect.journal import Journal, wait_until

NAME = "binance/SOLUSDT"
MINUTE_US = 60_000_000


def micros(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


def line(recv_us: int) -> str:
    return json.dumps({"ts_recv": recv_us}) + "\n"


def written(folder: Path, *times_us: int, interval_us: int = MINUTE_US) -> dict[str, list[int]]:
    """Receive times by part, after lines of these times were written and everything closed."""
    journal, lane = Journal(folder), Lane(NAME, Room(), interval_us)
    for recv_us in times_us:
        lane.add(recv_us, line(recv_us))
    assert journal.write(lane.take()) == (sum(len(line(one)) for one in times_us), None)
    assert journal.close() == 0
    return parts(folder)


def parts(folder: Path, pattern: str = "part_*") -> dict[str, list[int]]:
    found = sorted((folder / NAME).glob(f"*/{pattern}"))
    return {
        f"{path.parent.name}/{path.name}": [
            json.loads(text)["ts_recv"] for text in path.read_text().splitlines()
        ]
        for path in found
    }


def test_a_part_is_named_by_the_minute_of_its_first_line(tmp_path):
    first, last = micros("2025-10-20T00:00:00"), micros("2025-10-20T23:59:59.999999")
    assert written(tmp_path, first, last) == {
        "2025-10-20/part_001.jsonl": [first],
        "2025-10-20/part_1440.jsonl": [last],
    }


def test_a_part_ends_after_the_interval_counted_from_its_first_line(tmp_path):
    start = micros("2025-10-20T10:00:30")
    assert written(tmp_path, start, start + MINUTE_US - 1, start + MINUTE_US) == {
        "2025-10-20/part_601.jsonl": [start, start + MINUTE_US - 1],
        "2025-10-20/part_602.jsonl": [start + MINUTE_US],
    }


def test_no_part_spans_an_hour_even_when_the_clock_is_set_back(tmp_path):
    before, after = micros("2025-10-20T09:59:59"), micros("2025-10-20T10:00:01")
    assert written(tmp_path, before, after, before + 1, interval_us=HOUR_US) == {
        "2025-10-20/part_600.jsonl": [before],
        "2025-10-20/part_600_2.jsonl": [before + 1],
        "2025-10-20/part_601.jsonl": [after],
    }


def test_a_second_part_in_the_same_minute_has_a_number(tmp_path):
    start = micros("2025-10-20T10:00:00")
    seconds = [start + n * 10_000_000 for n in range(3)]
    assert list(written(tmp_path, *seconds, interval_us=1_000_000)) == [
        "2025-10-20/part_601.jsonl",
        "2025-10-20/part_601_2.jsonl",
        "2025-10-20/part_601_3.jsonl",
    ]
    assert "2025-10-20/part_601_4.jsonl" in written(tmp_path, start)


def test_lines_are_readable_in_the_open_part_as_soon_as_write_returns(tmp_path):
    journal, lane, start = Journal(tmp_path), Lane(NAME, Room(), MINUTE_US), micros("2025-10-20")
    lane.add(start, line(start))
    journal.write(lane.take())
    assert parts(tmp_path) == {"2025-10-20/part_001.jsonl.open": [start]}
    lane.add(start + 1, line(start + 1))
    journal.write(lane.take())
    assert parts(tmp_path) == {"2025-10-20/part_001.jsonl.open": [start, start + 1]}
    journal.close()
    assert parts(tmp_path) == {"2025-10-20/part_001.jsonl": [start, start + 1]}


def test_a_part_is_sealed_when_its_time_is_over_though_no_line_comes(tmp_path):
    journal, lane, start = Journal(tmp_path), Lane(NAME, Room(), MINUTE_US), micros("2025-10-20")
    lane.add(start, line(start))
    journal.write(lane.take())
    journal.seal_due(start + MINUTE_US - 1)
    journal.seal_due(start + MINUTE_US)
    deadline = time.monotonic() + 10
    while list(parts(tmp_path)) != ["2025-10-20/part_001.jsonl"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # A line that comes late, but was received in time, gets a part beside it.
    lane.add(start + 1, line(start + 1))
    journal.write(lane.take())
    journal.close()
    assert list(parts(tmp_path)) == ["2025-10-20/part_001.jsonl", "2025-10-20/part_001_2.jsonl"]


def test_a_standing_lane_always_has_an_open_part_and_never_an_empty_sealed_one(tmp_path):
    journal = Journal(tmp_path, standing=(NAME,))
    lane, start = Lane(NAME, Room(), MINUTE_US), micros("2025-10-20T09:58:00")
    opened = lambda: [path.name for path in tmp_path.rglob("*.open")]  # noqa: E731
    lane.add(start, line(start))
    journal.write(lane.take())
    journal.seal_due(start + 2 * MINUTE_US)
    assert "part_601.jsonl.open" in opened()
    journal.seal_due(start + 3 * MINUTE_US)
    # The empty part of ten o'clock is not used for a line of eleven.
    later = start + HOUR_US + 2 * MINUTE_US
    lane.add(later, line(later))
    journal.write(lane.take())
    assert "part_661.jsonl.open" in opened()
    journal.close()
    assert parts(tmp_path) == {
        "2025-10-20/part_599.jsonl": [start],
        "2025-10-20/part_661.jsonl": [later],
    }


class Disk:
    """A file that takes a number of bytes and then says that the disk is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(part.os, "write", self.write)

    def write(self, descriptor: int, data: memoryview) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = self._write(descriptor, data[: self.room])
        self.room -= taken
        return taken


def test_a_full_disk_costs_nothing_when_there_is_room_again(tmp_path, monkeypatch):
    room, start = Room(), micros("2025-10-20")
    journal, lane = Journal(tmp_path), Lane(NAME, room, MINUTE_US)
    times = [start + n * 7_000_000 for n in range(40)]
    for recv_us in times:
        lane.add(recv_us, line(recv_us))
    disk = Disk(monkeypatch, 100)
    acknowledged, failure = journal.write(lane.take())
    assert acknowledged == 0 and failure.errno == errno.ENOSPC
    for _ in range(3):
        disk.room = 33
        acknowledged += journal.write([])[0]
    disk.room = 10**6
    acknowledged += journal.write([])[0]
    assert acknowledged == room.used
    assert journal.close() == 0
    assert sum(parts(tmp_path).values(), []) == times


def test_a_run_that_ends_on_a_full_disk_leaves_whole_lines_and_says_what_is_lost(
    tmp_path, monkeypatch
):
    journal, lane, start = Journal(tmp_path), Lane(NAME, Room(), MINUTE_US), micros("2025-10-20")
    for n in range(100):
        lane.add(start + n, line(start + n))
    size = len(line(start))
    Disk(monkeypatch, 10 * size + 5)
    journal.write(lane.take())
    assert not wait_until(journal, time.monotonic() + 0.15)
    assert journal.close() == 90
    assert parts(tmp_path) == {"2025-10-20/part_001.jsonl": [start + n for n in range(10)]}
    # What was lost may be a session's end, which recovery then writes.
    assert unsealed.folders(tmp_path) == [tmp_path / NAME / "2025-10-20"]


def test_the_list_of_open_folders_is_empty_after_an_orderly_end(tmp_path):
    journal, lane, start = Journal(tmp_path), Lane(NAME, Room(), MINUTE_US), micros("2025-10-20")
    lane.add(start, line(start))
    journal.write(lane.take())
    assert unsealed.folders(tmp_path) == [tmp_path / NAME / "2025-10-20"]
    journal.close()
    # a folder that changed in the same tick of the clock counts as new, so the list itself is read
    assert (tmp_path / unsealed.NAME).read_bytes() == b""
