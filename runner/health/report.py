"""The health of a lake for people: reports/health.md, and the same on the terminal."""

import functools
from pathlib import Path

import jinja2
import msgspec

from runner.config import SHIPPED, Lake
from runner.files import write_whole
from runner.health import health
from runner.health.health import Health
from runner.health.judge import JOBS
from runner.models.models import TEMPLATE_ERRORS
from runner.validation.report import table, text, wrapped

TEMPLATE = "reports/health.md.jinja"


def write(lake: Lake, found: Health) -> None:
    """Write the heartbeat and the report; OSError where the disk does not take them."""
    health.write(lake, found)
    write_whole(lake.base / "reports" / "health.md", markdown(lake, found).encode())


def as_json(found: Health) -> str:
    """A record for programs."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode()


def markdown(lake: Lake, found: Health) -> str:
    """The report as Markdown that reads well as plain text too."""
    record = msgspec.to_builtins(found)
    jobs = {name: record[name] for name in JOBS}
    try:
        page = _templates(lake.folder).get_template(TEMPLATE).render(health=record, jobs=jobs)
    except TEMPLATE_ERRORS as error:
        # A template of the lake's own must not end a run, nor hide how the lake is.
        page = f"# Health: {found.status}\n\n{found.reason}.\n\n{TEMPLATE} is at fault: {error}"
    return page.strip() + "\n"


@functools.cache
def _templates(folder: Path) -> jinja2.Environment:
    """The templates of a lake; its own go before the shipped ones."""
    loader = jinja2.FileSystemLoader([folder, SHIPPED])
    jinja = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    jinja.filters |= {"table": table, "wrapped": wrapped, "text": text}
    return jinja
