"""Commands that may reach this machine only: `lake` in a process of its own, watched."""

import os
import subprocess
import sys
from pathlib import Path

CONTACTED = "contacted another machine: "
# An audit hook sees every address that Python resolves or connects to.
WATCHED = f"""
import os, sys

def watch(event, found):
    if event == "socket.getaddrinfo":
        host = found[0]
    elif event == "socket.connect" and isinstance(found[1], tuple):
        host = found[1][0]
    else:
        return
    if host not in (None, "127.0.0.1", "localhost", "::1"):
        print("{CONTACTED}", host, flush=True)
        os._exit(99)

sys.addaudithook(watch)
import lake
lake.cli(prog_name="lake")
"""


def start(folder: Path, command: str, *arguments: str) -> subprocess.Popen:
    """A watched `lake` command on a lake, its output as one text, with an empty home folder."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    homes = dict.fromkeys(("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"), str(home))
    return subprocess.Popen(
        [sys.executable, "-c", WATCHED, command, *arguments, "--config", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONUTF8": "1", **homes},
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
    process = start(folder, command, *arguments)
    output = finish(process)
    assert CONTACTED not in output, output
    assert not list((folder.parent / "home").rglob("*")), "something was left in the home folder"
    return process.returncode, output
