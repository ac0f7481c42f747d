"""Jobs as tasks of Windows' Task Scheduler."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import click

from runner.schedule import jobs as schedule_jobs
from runner.schedule.jobs import JOBS, KEPT_ALIVE

TIMES = {"every": {"build": "PT5M"}, "daily_at": {"compact": "01:30:00"}}


def shown(file: Path, jobs: list[str]) -> str:
    """The XML of each task, and the command that registers it."""
    texts = []
    for job in jobs:
        task = schedule_jobs.name(file, job)
        command = f"schtasks {subprocess.list2cmdline(_creation(task, f'{task}.xml'))}"
        texts.append(f"{task}.xml (UTF-16)\n\n{_xml(file, job)}\nThen:\n\n{command}\n")
    return "\n".join(texts)


def install(file: Path, jobs: list[str]) -> list[str]:
    """Register just these jobs of a lake and start those without end; says what was done.

    ClickException where Task Scheduler refuses.
    """
    texts = {schedule_jobs.name(file, job): _xml(file, job) for job in jobs}
    said = _take_away(file, [job for job in JOBS if job not in jobs])
    with tempfile.TemporaryDirectory(prefix="lake-") as folder:
        for task, text in texts.items():
            path = Path(folder, f"{task}.xml")
            path.write_text(text, encoding="utf-16", newline="\r\n")
            _schtasks(*_creation(task, str(path)))
    for job in jobs:
        task = schedule_jobs.name(file, job)
        if job in KEPT_ALIVE:
            _schtasks("/Run", "/TN", task)
        said.append(f"installed: {task} ({JOBS[job]})")
    return said


def remove(file: Path) -> list[str]:
    """Stop the jobs of a lake and leave nothing of them; says what was done."""
    return _take_away(file, list(JOBS)) or ["nothing of this lake is scheduled"]


def _take_away(file: Path, jobs: list[str]) -> list[str]:
    tasks = [schedule_jobs.name(file, job) for job in jobs]
    there = [task for task in tasks if _called("/Query", "/TN", task).returncode == 0]
    for task in there:
        _called("/End", "/TN", task)  # refuses where it does not run
        _schtasks("/Delete", "/TN", task, "/F")
    return [f"removed: {task}" for task in there]


def _creation(task: str, path: str) -> list[str]:
    return ["/Create", "/TN", task, "/XML", path, "/F"]


def _xml(file: Path, job: str) -> str:
    program, *arguments = schedule_jobs.words(file, job)
    for word in (program, *arguments):
        # Task Scheduler puts in what such a variable holds, and has no way to write a plain %
        if re.search(r"%[^%]+%", word):
            raise click.ClickException(
                f"{word} cannot be scheduled: Windows would take what is between two % for a "
                "variable; give the folder another name"
            )
    return schedule_jobs.written(
        file,
        "task.xml.jinja",
        job,
        description=f"lake {job} of {file.parent}: {JOBS[job]}",
        user=f"{os.environ.get('USERDOMAIN', '.')}\\{os.environ.get('USERNAME', '')}",
        program=program,
        arguments=subprocess.list2cmdline(arguments),
        **{kind: times.get(job) for kind, times in TIMES.items()},
    )


def _schtasks(*arguments: str) -> None:
    done = _called(*arguments)
    if done.returncode:
        why = " ".join((done.stderr or done.stdout).split())
        raise click.ClickException(
            f"schtasks {arguments[0]} was refused ({why}): open a terminal as administrator and "
            "run the same command again; only that may start programs with the machine"
        )


def _called(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("schtasks")
    if program is None:
        raise click.ClickException(
            "schtasks was not found: it lies in Windows' folder System32, which PATH must name"
        )
    # without stdin: a question would wait for ever
    return subprocess.run(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
