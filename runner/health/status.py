"""`lake status`: how the lake is now, also when nothing runs."""

from typing import TYPE_CHECKING

import click

from runner.command import config_option

if TYPE_CHECKING:
    from runner.config import Lake

UNHEALTHY = 3


@click.command("status", short_help="How the lake is now; exit code 3 if not healthy.")
@click.option("--testing", is_flag=True, help="Of the lake of test runs (testing.base_path).")
@click.option("--json", "as_json", is_flag=True, help="Print the heartbeat, for programs.")
@click.option("--figures", is_flag=True, hidden=True, help="Only measure: for `lake run`.")
@config_option
def status(testing, as_json, figures, config_file) -> None:
    """Show how the lake is now: what arrives, what the jobs of `lake run` do, what is on the disk.

    HEALTHY: exit code 0. DEGRADED, ERROR, STOPPED: exit code 3, with the reason. It looks at what
    has arrived and at who runs, not only at what was said last.

    \b
    Example:
      lake status
    """
    from runner.config import load

    lake = load(config_file, testing)
    if figures:
        _measure(lake)
        return
    from runner.health import report
    from runner.health.health import HEALTHY
    from runner.health.now import now

    found = now(lake)
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
