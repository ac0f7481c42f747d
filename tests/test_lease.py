"""A file is replaced while nobody has it open; who opens it twice finds the same content twice."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runner import lease

# Opens a file twice, as DuckDB does, keeps the first handle, and counts pairs that differ.
PAIRS = """
import sys, threading
path, over = sys.argv[1], threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
pairs = different = 0
print("reading", flush=True)
while not over.is_set():
    with open(path, "rb") as first:
        begin = first.read(8)
        with open(path, "rb") as second:
            different += begin != second.read(8)
    pairs += 1
    over.wait(0.0005)
print(pairs, different)
"""


@pytest.fixture
def old(tmp_path, monkeypatch) -> Path:
    """A file, on a system that lends it."""
    monkeypatch.setattr(lease, "PATIENCE", lease.Patience())
    lease.PATIENCE.limit_s, lease.PATIENCE.spent_at = 60, float("inf")  # slow machines too
    path = written(tmp_path / "old", "old")
    if not lease.replace_unread(written(tmp_path / "new", "old"), path):
        pytest.skip("no leases here")
    return path


def written(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_a_file_that_somebody_reads_is_replaced_when_it_is_closed(old, tmp_path):
    new, done = written(tmp_path / "new", "new"), threading.Event()
    with old.open() as reader:
        replacing = threading.Thread(
            target=lambda: (lease.replace_unread(new, old), done.set()), daemon=True
        )
        replacing.start()
        assert not done.wait(lease.QUIET_LIMIT_S)
        assert old.read_text() == reader.read() == "old"
    assert done.wait(60)
    assert old.read_text() == "new" and not new.exists()


def test_a_file_held_for_long_is_left_to_the_caller_and_the_next_ones_wait_less(old, tmp_path):
    lease.PATIENCE.limit_s = 0.1
    new = written(tmp_path / "new", "new")
    with old.open():
        assert not lease.replace_unread(new, old)
        assert lease.PATIENCE.left_s() == 0.05
        for _ in range(3):
            assert not lease.replace_unread(new, old)
    assert lease.PATIENCE.left_s() == lease.SHORTEST_S
    assert old.read_text() == "old" and new.read_text() == "new"
    assert lease.replace_unread(new, old)


def test_patience_comes_back_after_a_minute():
    patience = lease.Patience()
    patience.spend()
    assert patience.left_s() == lease.HELD_LIMIT_S / 2
    patience.spent_at -= lease.FORGET_S
    assert patience.left_s() == lease.HELD_LIMIT_S


def test_nothing_is_done_where_there_is_no_old_file(tmp_path):
    new = written(tmp_path / "new", "new")
    assert not lease.replace_unread(new, tmp_path / "old")
    assert new.read_text() == "new" and not (tmp_path / "old").exists()


def test_readers_that_open_a_file_twice_find_the_same_content_twice(old, tmp_path):
    """Also those who open it in the microseconds in which it is replaced."""
    command = [sys.executable, "-c", PAIRS, str(old)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    readers = [subprocess.Popen(command, **pipes) for _ in range(2)]
    assert [reader.stdout.readline() for reader in readers] == 2 * ["reading\n"]
    replaced = sum(
        lease.replace_unread(written(tmp_path / "new", f"{number:08}"), old) for number in range(30)
    )
    told = [reader.communicate()[0].split() for reader in readers]
    assert replaced == 30
    assert [int(different) for _, different in told] == [0, 0]
    assert all(int(pairs) > 0 for pairs, _ in told)


def test_a_hard_link_keeps_the_old_content(old, tmp_path):
    snapshot = tmp_path / "snapshot"
    os.link(old, snapshot)
    command = [sys.executable, "-c", PAIRS, str(old)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout.readline()
        for number in range(15):
            kept = old.read_text()
            snapshot.unlink()
            os.link(old, snapshot)
            assert lease.replace_unread(written(tmp_path / "new", f"{number:08}"), old)
            assert snapshot.read_text() == kept
        reader.communicate()


def test_many_threads_replace_many_files_at_once(old, tmp_path):
    def replace(name: str) -> None:
        path = written(tmp_path / name, "old")
        for number in range(20):
            done.append(lease.replace_unread(written(tmp_path / f"{name}.new", str(number)), path))
        assert path.read_text() == "19"

    done: list[bool] = []
    threads = [threading.Thread(target=replace, args=(f"file {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == 80 * [True]
