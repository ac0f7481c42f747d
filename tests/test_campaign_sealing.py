"""Sealing killed at any of its steps, on a full disk, and under readers that never rest.

A step is a file that Python opens for writing, moves or removes; the process dies right before it,
as by kill -9.
"""

import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import lakes
import pytest
from lakes import DAY, MIDNIGHT, NEXT_DAY, put, quote, trade
from raw_lines import DAY_US, MINUTE_US, SECOND_US
from sealed_lakes import (
    OVER_US,
    SYMBOL,
    bring_late,
    check_promises,
    check_sealed,
    compact,
    copy,
    make_over,
    raw_lines,
    shown,
)

BOTH = {DAY, NEXT_DAY}
# Dies before step number argv[1] (0: never), and says how many steps there were.
KILLED = """
import os, sys
steps, last = 0, int(sys.argv[1])
def step(event, args):
    global steps
    if event == "open":
        counts = isinstance(args[0], str) and isinstance(args[1], str) and args[1][0] in "wax"
    else:
        counts = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
    if counts and "/data/" in str(args[0]).replace(os.sep, "/"):
        steps += 1
        if steps == last:
            os._exit(137)
sys.addaudithook(step)
from lake import cli
try:
    cli(sys.argv[2:])
finally:
    print("steps", steps)
"""
ON_A_FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from lake import cli
cli(sys.argv[2:])
"""


def run(program: str, argument: int, *command: object) -> subprocess.CompletedProcess:
    words = [sys.executable, "-c", program, str(argument), *map(str, command)]
    where = Path(__file__).parent.parent
    return subprocess.run(words, capture_output=True, text=True, encoding="utf-8", cwd=where)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A sealed day to which a late trade came, and another day that is over. Only look."""
    folder = make_over(tmp_path_factory.mktemp("work") / "lake")
    compact(folder)
    bring_late(folder)
    put(folder, SYMBOL, [trade(SYMBOL, 96, MIDNIGHT + DAY_US + 31 * MINUTE_US, conn=3)])
    return folder


@pytest.fixture(scope="module")
def done(work, tmp_path_factory) -> tuple[Path, int]:
    """The same after a whole run, and how many steps it took. Only look."""
    folder = copy(work, tmp_path_factory.mktemp("done") / "lake")
    finished = run(KILLED, 0, "compact", "--config", folder)
    assert finished.returncode == 0, finished.stderr
    check_sealed(folder, BOTH)
    return folder, int(finished.stdout.split("steps ")[1])


def check_killed(work: Path, done: Path, folder: Path, last: int, builds: bool) -> None:
    """Kill a run before a step; nothing is lost, and the next run ends where a whole one does."""
    copy(work, folder)
    assert run(KILLED, last, "compact", "--config", folder).returncode in (137, 0)
    check_promises(folder)
    assert raw_lines(folder) == raw_lines(work)
    if builds:
        lakes.bring(folder)
        assert shown(folder) == shown(done)
        check_promises(folder)
    compact(folder)
    check_sealed(folder, BOTH)
    assert shown(folder) == shown(done)
    assert raw_lines(folder) == raw_lines(work)
    shutil.rmtree(folder)


def kill(campaign, rounds: int, work: Path, done: tuple[Path, int], tmp_path: Path) -> None:
    found = campaign("sealing killed before a step", rounds)
    for seed in found.seeds:
        chance = random.Random(seed)
        last, builds = chance.randint(1, done[1]), chance.random() < 0.5
        try:
            check_killed(work, done[0], tmp_path / f"lake{seed}", last, builds)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, step {last} of {done[1]}: {error}") from error
        found.saw(f"healed by {'a build, then ' if builds else ''}the next run")


def test_sealing_may_be_killed_at_any_step(campaign, work, done, tmp_path):
    kill(campaign, 1, work, done, tmp_path)


@pytest.mark.soak
def test_sealing_may_be_killed_at_any_step_for_long(campaign, work, done, tmp_path):
    kill(campaign, 100, work, done, tmp_path)


@pytest.mark.soak
def test_sealing_may_be_killed_at_every_step(campaign, work, done, tmp_path):
    found = campaign("sealing killed before every step", done[1])
    for last in range(1, done[1] + 1):
        check_killed(work, done[0], tmp_path / f"lake{last}", last, builds=last % 2 == 0)
        found.saw("healed")


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.soak
def test_on_a_full_disk_sealing_stops_in_one_sentence_and_goes_on_later(tmp_path):
    folder = make_over(tmp_path / "lake")
    chance = random.Random(1)
    rows = [
        quote(SYMBOL, 20_000 + n, OVER_US + n * SECOND_US, bid=f"{chance.random():.8f}", conn=2)
        for n in range(1500)
    ]
    put(folder, SYMBOL, rows)
    put(folder, SYMBOL, [trade(SYMBOL, 96, MIDNIGHT + DAY_US + 31 * MINUTE_US, conn=3)])
    lakes.bring(folder)
    before = raw_lines(folder)
    stopped = run(ON_A_FULL_DISK, 20_000, "compact", "--config", folder)
    assert stopped.returncode == 1
    assert "Error: " in stopped.stderr and "Traceback" not in stopped.stderr
    check_promises(folder)
    assert raw_lines(folder) == before
    compact(folder)
    check_sealed(folder, BOTH)
    assert raw_lines(folder) == before


def test_readers_that_never_rest_meet_no_error_and_no_other_rows(work, tmp_path):
    folder = copy(work, tmp_path / "lake")
    lakes.bring(folder)
    counts = (
        "select (select count(*) from bars_1s), (select count(*) from trades), "
        "(select count(*) from quotes), (select min(count) from (select count(*) as count "
        "from archive group by symbol))"
    )
    [expected] = lakes.ask(folder, counts)
    seen, errors, stop = set(), [], threading.Event()

    def read() -> None:
        with lakes.lake.connect(folder) as con:
            while not stop.is_set():
                try:
                    seen.add(con.execute(counts).fetchone()[:3])
                except duckdb.Error as error:
                    errors.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        compact(folder)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert (seen, errors) == ({expected[:3]}, [])
