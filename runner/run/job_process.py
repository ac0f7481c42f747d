"""A `lake` command that `lake run` has started as a process of its own."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from runner.config import TESTING_CHILD, Lake
from runner.run.supervised import Outcome

# Of what a command prints, so much of its end is read, and so much of an error is told.
END_BYTES = 16_384
TOLD = 500


@dataclass(frozen=True)
class Ended:
    """How a command ended. `said`: its error, else its last words; `facts`: see supervised.py."""

    code: int
    said: str
    facts: dict[str, int | float | str | None] = field(default_factory=dict)
    warnings: int = 0


class Child:
    """A running command. It ends in order once `stop` is called or this process is gone.

    What it prints goes into a file and not into a pipe: a pipe that nobody reads stops its writer.
    """

    def __init__(self, lake: Lake, name: str, arguments: list[str], is_heavy: bool) -> None:
        self.output = lake.base / "work" / "run" / f"{name}.txt"
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.stopped: float | None = None
        command = [sys.executable, "-P", "-m", "lake", "--supervised", *arguments]
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--config", str(lake.file)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(lake),
                **_apart(is_heavy),
            )
        if is_heavy and hasattr(os, "setpriority"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.pid, 10)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def age_s(self) -> float:
        """Real seconds since it was started."""
        return time.monotonic() - self.started

    @property
    def stopped_s(self) -> float:
        """Real seconds since it was told to stop."""
        return time.monotonic() - self.stopped if self.stopped is not None else 0.0

    def ended(self) -> Ended | None:
        """How it ended, None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        self._process.stdin.close()
        return read(self.output, code)

    def stop(self) -> None:
        """Let it end in order, as Ctrl+C would."""
        if self.stopped is None:
            self.stopped = time.monotonic()
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()


def read(output: Path, code: int) -> Ended:
    """What a command that ended with `code` has printed at its end."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - END_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    outcome, words = None, []
    for line in filter(str.strip, lines):
        try:
            outcome = msgspec.json.decode(line, type=Outcome)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            words.append(line.strip())
    first = next((at for at, line in enumerate(words) if line.startswith("Error: ")), -1)
    said = " ".join(words[first:]).removeprefix("Error: ")[:TOLD]
    said = said or (f"it was killed by signal {-code}" if code < 0 else f"it ended with {code}")
    return Ended(code, said, outcome.facts if outcome else {}, outcome.warnings if outcome else 0)


def _environment(lake: Lake) -> dict[str, str]:
    """What a child inherits: its own children find the test lake too."""
    own = {TESTING_CHILD: "1"} if lake.testing else {}
    return {**os.environ, "PYTHONUTF8": "1", **own}


def _apart(is_heavy: bool) -> dict:
    """Apart from our terminal: what is typed or closed there is for us to hand on."""
    if os.name != "nt":
        return {"process_group": 0}
    priority = subprocess.BELOW_NORMAL_PRIORITY_CLASS if is_heavy else 0
    return {"creationflags": subprocess.CREATE_NO_WINDOW | priority}
