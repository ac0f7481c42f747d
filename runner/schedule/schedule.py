"""`lake schedule`: lets the system start the lake's own commands."""

import os
import sys
from pathlib import Path
from types import ModuleType

import click

from runner.command import config_option
from runner.schedule import jobs as schedule_jobs
from runner.schedule import systemd, windows
from runner.schedule.jobs import JOBS


def _jobs(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    """The jobs that are meant, in the order of JOBS; each once."""
    asked = {one.strip() for one in value.split(",")}
    if unknown := sorted(asked - set(JOBS)):
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(JOBS)}")
    if "run" in asked and len(asked) > 1:
        raise click.BadParameter("run does what the others do: schedule it alone")
    return [job for job in JOBS if job in asked]


what_option = click.option(
    "--what",
    "jobs",
    metavar="NAMES",
    default="run",
    show_default=True,
    callback=_jobs,
    help="run, or some of collect, build and compact, separated by commas.",
)


@click.group("schedule", short_help="Let the system start the lake, by systemd or Task Scheduler.")
def schedule() -> None:
    """Let the system start the lake: systemd on Linux, Task Scheduler on Windows.

    `run` starts with the machine and does all the rest. Who does not want it schedules the parts:
    collect (starts with the machine), build (every 5 minutes) and compact (at 01:30 UTC).

    \b
    Examples:
      lake schedule show
      lake schedule install
      lake schedule install --what collect,build,compact
      lake schedule remove
    """


@schedule.command("show")
@what_option
@config_option
def show(jobs: list[str], config_file: Path | None) -> None:
    """Print what would be installed, with its places; change nothing.

    \b
    Examples:
      lake schedule show --what build
    """
    file = _lake_file(config_file)
    click.echo(_system(file, jobs).shown(file, jobs))


@schedule.command("install")
@what_option
@config_option
def install(jobs: list[str], config_file: Path | None) -> None:
    """Let the system start just these, now and from now on; what else was scheduled goes.

    \b
    Examples:
      lake schedule install --what collect,build,compact
    """
    file = _lake_file(config_file)
    for line in _system(file, jobs).install(file, jobs):
        click.echo(line)


@schedule.command("remove")
@config_option
def remove(config_file: Path | None) -> None:
    """Stop and take away all that was scheduled for this lake.

    It needs no lake any more: name the folder that was there.

    \b
    Examples:
      lake schedule remove --config old-lake
    """
    file = Path(os.path.normpath(Path(config_file or ".").absolute()))
    if file.suffix.lower() not in (".yml", ".yaml"):
        file /= "config.yml"
    for line in _system(file, ["run"]).remove(file):
        click.echo(line)


def _lake_file(config_file: Path | None) -> Path:
    from runner.config import load

    return load(config_file).file


def _system(file: Path, jobs: list[str]) -> ModuleType:
    """What schedules on this machine; ClickException where we know of nothing."""
    if sys.platform == "win32":
        return windows
    if sys.platform.startswith("linux"):
        return systemd
    commands = "; ".join(" ".join(schedule_jobs.words(file, job)) for job in jobs)
    raise click.ClickException(
        "lake schedule knows Linux (systemd) and Windows only: let your system's own scheduler "
        f"(launchd, cron) start: {commands}"
    )
