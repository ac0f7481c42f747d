"""What the commands share that fetch rows into the lake: building them, and what they say."""

import click
from loguru import logger

from ingest.windows import Window
from runner.build.build import Choice, build
from runner.config import Lake
from runner.moments import iso


def bring(lake: Lake, relations: str) -> None:
    """Build relations (`a,b`) from the raw answers; ClickException for what cannot be built."""
    report = build(lake, Choice(select=relations))
    if report.failed:
        raise click.ClickException("\n".join(report.failed))


def told(window: Window) -> str:
    """A window in words."""
    return f"{window.name} from {iso(window.from_us)} to {iso(window.to_us)}"


def tell_lost(lost: list[Window], what: str) -> None:
    """Say what a source had and does not have any more."""
    names: dict[tuple[int, int], list[str]] = {}
    for window in lost:
        names.setdefault((window.from_us, window.to_us), []).append(window.name)
    for stretch, of in names.items():
        gone = told(Window(", ".join(of), *stretch))
        logger.warning("{} of {} can no longer be had: nobody asked for it in time", what, gone)
