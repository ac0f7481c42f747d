"""runner/lock.py: one process at a time, and the lock goes with the process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from runner import lock

HOLDER = """
import sys, time
from pathlib import Path
from runner.lock import hold
with hold(Path(sys.argv[1]), "collecting into this lake"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(path: Path, seconds: float) -> subprocess.Popen:
    """Another process that holds the lock for some seconds."""
    command = [sys.executable, "-c", HOLDER, str(path), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def ended(process: subprocess.Popen) -> None:
    process.kill()
    process.communicate()


def test_the_second_process_learns_who_holds_the_lock(tmp_path):
    path = tmp_path / "lake" / "collector.lock"
    process = holder(path, 60)
    try:
        with pytest.raises(click.ClickException) as refused, lock.hold(path, "collecting"):
            pass
        assert f"process {process.pid} since 20" in refused.value.message
        assert refused.value.message.startswith(
            "Another process is already collecting into this lake ("
        )
        assert "stop it first" in refused.value.message
    finally:
        ended(process)


def test_a_lock_is_free_as_soon_as_its_holder_is_killed(tmp_path):
    path = tmp_path / "collector.lock"
    process = holder(path, 60)
    os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.communicate()
    assert lock.is_held(path) is None
    with lock.hold(path, "collecting"):
        assert f"process {os.getpid()} since 20" in lock.is_held(path)


def test_looking_at_a_lock_neither_takes_nor_makes_it(tmp_path):
    path = tmp_path / "collector.lock"
    assert lock.is_held(path) is None
    assert not path.exists()
    with lock.hold(path, "collecting"):
        pass
    assert lock.is_held(path) is None
    with lock.hold(path, "collecting"):
        pass


def test_who_waits_long_enough_gets_the_lock(tmp_path):
    path = tmp_path / "build.lock"
    process = holder(path, 0.8)
    started = time.monotonic()
    with lock.hold(path, "building", wait_s=20):
        assert time.monotonic() - started < 15
    ended(process)


def test_an_error_while_it_is_held_frees_the_lock(tmp_path):
    path = tmp_path / "build.lock"
    with pytest.raises(RuntimeError), lock.hold(path, "building"):
        raise RuntimeError
    assert lock.is_held(path) is None


def test_a_process_that_does_something_else_is_waited_for_one_that_does_the_same_is_not(tmp_path):
    path, same = tmp_path / "collector.lock", "collecting into this lake"
    process = holder(path, 60)
    with (
        pytest.raises(click.ClickException, match=f"{same} .process {process.pid} since"),
        lock.hold(path, same, others_s=60),
    ):
        pass
    ended(process)
    process = holder(path, 0.8)
    with lock.hold(path, "sealing", others_s=60):
        assert f"process {os.getpid()} since" in lock.is_held(path)
    ended(process)
