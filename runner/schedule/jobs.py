"""What of a lake a system can be told to start, and how that is called and written there.

A job is one of the lake's own commands. Its name holds a hash of the path of the lake's config.yml,
so that two lakes never share one.
"""

import hashlib
import os
import re
import sys
from pathlib import Path

import click

from runner.config import SHIPPED

# Command → what it does, for people. The first two start with the machine and are kept alive.
JOBS = {
    "run": "collect, build and seal, without end",
    "collect": "collect without end",
    "build": "build every 5 minutes",
    "compact": "seal the days that are over, at 01:30 UTC",
}
KEPT_ALIVE = {"run", "collect"}

# What neither a unit file nor XML can hold: control characters, and bytes that are no text.
UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def words(file: Path, job: str) -> list[str]:
    """The command of a job. -P: a lake.py in the folder where it starts must not be taken for ours.

    ClickException for a path that cannot be written down.
    """
    found = [sys.executable, "-P", "-m", "lake", job, "--config", str(file)]
    for word in found:
        if UNWRITABLE.search(word):
            raise click.ClickException(
                f"{word!r} cannot be scheduled: it holds a control character, or bytes that are no "
                "text; give the folder another name"
            )
    return found


def name(file: Path, job: str) -> str:
    """What a job is called in the system.

    >>> name(Path("/lakes/My lake/config.yml"), "run").rpartition("-")[0][:-8]
    'lake-my-lake-'
    """
    digest = hashlib.sha256(os.fsencode(os.path.normcase(file))).hexdigest()[:8]
    readable = re.sub(r"[^a-z0-9]+", "-", file.parent.name.lower())[:30].strip("-")
    return "-".join(part for part in ("lake", readable, digest, job) if part)


def written(file: Path, template: str, job: str, **values) -> str:
    """A template of reports/schedule for a job; the lake's own goes before the shipped one."""
    import jinja2  # not before it is needed: a build where nothing is stale does without

    roots = [root / "reports" / "schedule" for root in (file.parent, SHIPPED)]
    loader = jinja2.FileSystemLoader(roots)
    jinja = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)
    values |= {"is_kept_alive": job in KEPT_ALIVE}
    try:
        return jinja.get_template(template).render(values) + "\n"
    except jinja2.TemplateError as error:
        raise click.ClickException(f"reports/schedule/{template}: {error}") from error
