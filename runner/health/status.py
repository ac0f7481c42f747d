"""`lake status`: how the lake is now, also when nothing runs."""

from typing import TYPE_CHECKING

import click

from runner.command import config_option, json_option, testing_option

if TYPE_CHECKING:
    from runner.config import Lake

UNHEALTHY = 3


@click.command("status", short_help="How the lake is now; exit code 3 if not healthy.")
@testing_option
@json_option
@click.option("--figures", is_flag=True, hidden=True, help="Only measure: for `lake run`.")
@config_option
def status(testing, as_json, figures, config_file) -> None:
    """Show how the lake is now: what arrives, what the jobs of `lake run` do, what is on the disk.

    HEALTHY: exit code 0. DEGRADED, ERROR, STOPPED: exit code 3, with the reason. It looks at what
    has arrived and at who runs, not only at what was said last.

    \b
    Examples:
      lake status
      lake status --json
    """
    from runner.config import load

    lake = load(config_file, testing)
    if figures:
        _measure(lake)
        return
    from runner.health import report
    from runner.health.health import HEALTHY
    from runner.health.now import current

    found = current(lake)
    if as_json:
        click.echo(report.as_json(found))
    else:
        click.echo(report.markdown(lake, found), nl=False)
    if found.status != HEALTHY:
        raise click.exceptions.Exit(UNHEALTHY)


def _measure(lake: "Lake") -> None:
    """Measure the figures and hand them to `lake run`."""
    from runner.health.figures import measured
    from runner.run import supervised

    supervised.say(**measured(lake))
