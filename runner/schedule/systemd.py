"""Jobs as units and timers of the user's own systemd."""

import os
import shutil
import subprocess
from pathlib import Path

import click

from runner.files import write_whole
from runner.schedule import jobs as schedule_jobs
from runner.schedule.jobs import JOBS, KEPT_ALIVE

# Local time has every fifth minute too; days are sealed by UTC.
CALENDARS = {"build": "*-*-* *:00/5:00", "compact": "*-*-* 01:30:00 UTC"}
NOTE = (
    "They start when you log in; `loginctl enable-linger` lets them start with the machine, and go "
    "on after you log out."
)


def shown(file: Path, jobs: list[str]) -> str:
    """Each file that would be written, and the commands that make systemd take them up."""
    files = _files(file, jobs)
    texts = [f"{path}\n\n{text}" for path, text in files.items()]
    started = " ".join(_started(file, job) for job in jobs)
    commands = f"systemctl --user daemon-reload\nsystemctl --user enable --now {started}"
    return "\n".join([*texts, f"Then:\n\n{commands}"])


def install(file: Path, jobs: list[str]) -> list[str]:
    """Let systemd start just these jobs of a lake, now and from now on; says what was done.

    What is as wanted already goes on undisturbed. ClickException where systemd refuses.
    """
    files = _files(file, jobs)
    _systemctl("daemon-reload")  # refuses before anything is written
    said = _take_away(file, [job for job in JOBS if job not in jobs])
    changed = {path for path, text in files.items() if _text(path) != text}
    for path in changed:
        try:
            write_whole(path, files[path].encode())
        except OSError as error:
            raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
    _systemctl("daemon-reload")
    for job in jobs:
        unit = _started(file, job)
        is_new = any(path in changed for path in _paths(file, job))
        _systemctl("enable", unit)
        _systemctl("restart" if is_new else "start", unit)
        said.append(f"{'installed' if is_new else 'as it was'}: {unit} ({JOBS[job]})")
    return [*said, f"See: systemctl --user status '{schedule_jobs.name(file, '*')}'", NOTE]


def remove(file: Path) -> list[str]:
    """Stop the jobs of a lake and leave nothing of them; says what was done."""
    return _take_away(file, list(JOBS)) or ["nothing of this lake is scheduled"]


def _take_away(file: Path, jobs: list[str]) -> list[str]:
    there = [job for job in jobs if any(path.exists() for path in _paths(file, job))]
    for job in there:
        _systemctl("disable", "--now", *(path.name for path in _paths(file, job) if path.exists()))
        stamp = _home("XDG_DATA_HOME", ".local/share") / "systemd/timers"
        for path in (*_paths(file, job), stamp / f"stamp-{_started(file, job)}"):
            path.unlink(missing_ok=True)
    if there:
        _systemctl("daemon-reload")
        units = (f"{schedule_jobs.name(file, job)}.service" for job in there)
        _called("reset-failed", *units)  # refuses where none has failed
    return [f"removed: {_started(file, job)}" for job in there]


def _files(file: Path, jobs: list[str]) -> dict[Path, str]:
    """Path → text of the unit files of jobs."""
    found = {}
    for job in jobs:
        description = f"lake {job} of {file.parent}: {JOBS[job]}".replace("%", "%%")
        values = {
            "description": description,
            "command": _exec_start(schedule_jobs.words(file, job)),
        }
        for path in _paths(file, job):
            template = f"{path.suffix[1:]}.jinja"
            values["calendar"] = CALENDARS.get(job)
            found[path] = schedule_jobs.written(file, template, job, **values)
    return found


def _paths(file: Path, job: str) -> list[Path]:
    kinds = ["service"] if job in KEPT_ALIVE else ["service", "timer"]
    folder = _home("XDG_CONFIG_HOME", ".config") / "systemd/user"
    return [folder / f"{schedule_jobs.name(file, job)}.{kind}" for kind in kinds]


def _started(file: Path, job: str) -> str:
    """The unit that starts a job: the service itself, or its timer."""
    return _paths(file, job)[-1].name


def _home(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _exec_start(words: list[str]) -> str:
    """A command as ExecStart= reads it back; `:` leaves $ alone (only since systemd 244).

    >>> _exec_start(["/a b/python", 'say "100%"', "c:\\\\d"])
    '"/a b/python" "say \\\\"100%%\\\\"" "c:\\\\\\\\d"'
    >>> _exec_start(["/$a/python"])
    ':"/$a/python"'
    """
    text = " ".join(
        '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
        for word in words
    )
    return f":{text}" if "$" in text else text


def _systemctl(*arguments: str) -> None:
    done = _called(*arguments)
    if done.returncode == 0:
        return
    why = " ".join(done.stderr.split())
    if "connect to bus" in why:
        raise click.ClickException(
            f"there is no systemd session of yours here ({why}): log in as yourself, not by su or "
            "sudo; or start what `lake schedule show` prints by other means"
        )
    raise click.ClickException(f"systemctl --user {' '.join(arguments)} was refused: {why}")


def _called(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemctl")
    if program is None:
        raise click.ClickException(
            "there is no systemd on this machine: let what it has instead start what "
            "`lake schedule show` prints"
        )
    command = [program, "--user", *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace")
