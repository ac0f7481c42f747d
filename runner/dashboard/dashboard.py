"""`lake dashboard`: the lake in the browser, served to this machine alone."""

import importlib
import importlib.util
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.command import config_option
from runner.run import supervised

if TYPE_CHECKING:
    from runner.config import Lake
    from runner.run.job_process import Child

HOST = "127.0.0.1"
PORT = 8501
NEEDS = ("streamlit", "plotly")
SLOW = ("pandas", "plotly.subplots", "pyarrow.parquet", "runner.dashboard.lake")
START_S = 60.0
END_S = 9.0
LOOK_S = 0.1
SETTINGS = {
    "server.address": HOST,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "browser.gatherUsageStats": "false",
    "browser.serverAddress": HOST,
    "client.toolbarMode": "viewer",
    "client.showErrorDetails": "none",
    "theme.light.primaryColor": "#0072B2",
    "theme.dark.primaryColor": "#56B4E9",
    "global.developmentMode": "false",
}


@click.command("dashboard", short_help="Show the lake in the browser.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=PORT,
    show_default=True,
    help="Port on this machine; no other machine can reach it.",
)
@config_option
def dashboard(port: int, config_file: Path | None) -> None:
    """Show the lake in the browser: candles, data quality, macro, funding, health, SQL.

    It is served to this machine alone until Ctrl+C, never blocks a build, and shows new data by
    itself. It needs the extra [dashboard].

    \b
    Examples:
      lake dashboard --port 8600
    """
    from runner.config import in_force, load

    lake = load(config_file)
    _refuse_without_needs()
    if supervised.is_begun():  # this process is the server
        _serve(lake, port)
        return
    _refuse_taken(port)
    click.echo(in_force(lake)[0])
    _supervise(lake, port)


def _refuse_without_needs() -> None:
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        from runner.config import SHIPPED

        is_clone = (SHIPPED / "pyproject.toml").exists()
        what = f'-e "{SHIPPED}[dashboard]"' if is_clone else '"market-lake[dashboard]"'
        raise click.ClickException(
            f"the dashboard needs {' and '.join(missing)}: run `pip install {what}`"
        )


def _refuse_taken(port: int) -> None:
    """Stop where somebody listens already, or where this user may not."""
    with socket.socket() as one:
        if os.name != "nt":  # there it would share the port of another
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
        except OSError as error:
            raise click.ClickException(
                f"port {port} of {HOST} cannot be used ({error.strerror}): is another dashboard "
                "running? Name another port with --port"
            ) from None


def _supervise(lake: "Lake", port: int) -> None:
    """Start the server, say where it is, and end it with this process."""
    from runner.run.job_process import Child

    child = Child(lake, f"dashboard_{port}", ["dashboard", "--port", str(port)], is_heavy=False)
    try:
        _wait_until_served(child, port)
        click.echo(f"dashboard: http://{HOST}:{port} (Ctrl+C ends it)")
        while (ended := child.ended()) is None:
            time.sleep(LOOK_S)
        raise click.ClickException(f"the dashboard ended: {ended.said}; see {child.output}")
    except KeyboardInterrupt:
        click.echo("the dashboard has ended")
    finally:
        _end(child)


def _wait_until_served(child: "Child", port: int) -> None:
    """Wait for the server's first answer; ClickException where it ends or keeps silent."""
    while child.age_s < START_S:
        if ended := child.ended():
            raise click.ClickException(f"the dashboard did not start: {ended.said}")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(LOOK_S)
    raise click.ClickException(
        f"the dashboard did not answer within {START_S:g} s; see {child.output}"
    )


def _end(child: "Child") -> None:
    child.stop()
    while child.ended() is None and child.stopped_s < END_S:
        time.sleep(LOOK_S)
    if child.ended() is None:
        child.kill()


def bound_memory(most: int | None = None) -> None:
    """Let this process have at most so many bytes (default: half of what the machine has): DuckDB's
    own limit leaves out what a function makes of one value, as in `select range(1000000000)`.
    Only Linux can do that.
    """
    if sys.platform == "linux":
        import resource

        half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = most or half
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _warm_up() -> None:
    """What the first page needs, before the address is told and not while that page waits."""
    for name in SLOW:
        importlib.import_module(name)
    subplots = sys.modules["plotly.subplots"]
    subplots.make_subplots(rows=3, cols=1).update_layout(template="plotly_white")


def _serve(lake: "Lake", port: int) -> None:
    """Be Streamlit's server until stdin is closed."""
    from streamlit.web import cli

    from runner.config import SHIPPED

    _warm_up()
    bound_memory()

    script = SHIPPED / "reports" / "dashboard.py"
    settings = {**SETTINGS, "server.port": str(port)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    sys.argv = ["streamlit", "run", str(script), *options, "--", str(lake.file)]
    cli.main(sys.argv[1:], standalone_mode=False)
