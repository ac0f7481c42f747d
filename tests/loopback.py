"""Commands that may reach this machine only: `lake` in a process of its own, watched."""

import atexit
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import lakes
import watched
from forks import Forks

HOMES = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA")
# What takes a second to import, which a forked command need not do again.
SLOW = ("ingest.macro.yahoo", "ingest.derivatives.derivatives", "ingest.macro.macro", "watched")


def start(folder: Path, command: str, *arguments: str) -> subprocess.Popen:
    """A watched `lake` command on a lake, its output as one text, with an empty home folder."""
    return subprocess.Popen(
        [sys.executable, watched.__file__, command, *arguments, "--config", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        cwd=lakes.ROOT,
        env=_environment(),
    )


def finish(process: subprocess.Popen, within_s: float = 180) -> str:
    """The output of a command that ends in time; one that does not is killed, and an error."""
    try:
        return process.communicate(timeout=within_s)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def run(folder: Path, command: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a watched `lake` command."""
    with lakes.knowing(folder):
        if hasattr(os, "fork"):
            words = (command, *arguments, "--config", str(folder))
            code, output = _forks().run(*words, hook="watched.stay_here")
        else:
            process = start(folder, command, *arguments)
            output = finish(process)
            code = process.returncode
    assert watched.CONTACTED not in output, output
    assert not list(_home().rglob("*")), "something was left in the home folder"
    return code, output


@functools.cache
def _home() -> Path:
    """An empty folder, for as long as the tests run."""
    folder = tempfile.TemporaryDirectory(prefix="home_")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "1", **dict.fromkeys(HOMES, str(_home()))}


@functools.cache
def _forks() -> Forks:
    forks = Forks(*SLOW, environment=_environment()).__enter__()
    atexit.register(forks.__exit__)
    return forks
