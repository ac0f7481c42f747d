"""Measuring a job in a process of its own: start-up, work, CPU time and peak memory."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What a job took. `startup_s`: Python and imports; `cpu_s` and `peak_mb`: of the work's
    process; `missing`: the package that is not installed, nothing was measured then.
    """

    startup_s: float = 0.0
    work_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float | None = None
    result: dict | None = None
    missing: str | None = None


class JobFailed(Exception):
    """A job ended with an error; the message holds the end of what it said."""


def run(job: str, environment: dict[str, str] | None = None, **arguments: object) -> Measured:
    """Run `benchmarks.jobs.<job>` with these (JSON-ready) arguments."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.child", str(time.time()), job],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", **(environment or {})},
    )
    output, errors = process.communicate(json.dumps(arguments))
    if process.returncode != 0:
        raise JobFailed(f"{job} failed:\n{errors[-2000:]}{output[-500:]}")
    return Measured(**json.loads(output.splitlines()[-1]))


def medians(times: int, jobs: dict[str, Callable[[], Measured]]) -> dict[str, Measured]:
    """The run of each job with its median time of work; the jobs are run in turn."""
    found: dict[str, list[Measured]] = {name: [] for name in jobs}
    for _ in range(times):
        for name, job in jobs.items():
            found[name].append(job())
    return {name: _middle(runs) for name, runs in found.items()}


def _middle(runs: list[Measured]) -> Measured:
    middle = statistics.median_low(one.work_s for one in runs)
    return next(one for one in runs if one.work_s == middle)
