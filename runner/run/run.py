"""`lake run`: collect, build, fetch, repair, seal and validate, without end."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from runner import completion
from runner.command import (
    config_option,
    duration_option,
    names_of,
    own_symbols_option,
    testing_option,
)

SECTIONS = (
    *("exchanges[0]", "collector", "transformer", "macro_minute", "derivatives", "compact"),
    "health",
)
LOCK = "run.lock"
# A collector of a run that was killed ends by itself within this time.
LEFT_S = 12.0


@click.command("run", short_help="Collect, build, fetch and seal, without end.")
@testing_option
@own_symbols_option
@duration_option
@click.option(
    "--transform-interval-min", type=int, metavar="MINUTES", help="Between two builds; 0 = never."
)
@click.option(
    "--macro-tickers",
    callback=names_of,
    metavar="A,B",
    shell_complete=completion.tickers,
    help="Tickers, in place of those in config.yml.",
)
@click.option(
    "--macro-interval-min", type=int, metavar="MINUTES", help="Between two fetches; 0 = never."
)
@click.option(
    "--macro-lookback-startup-days",
    type=int,
    metavar="DAYS",
    help="To look back at the first fetch.",
)
@click.option(
    "--macro-runtime-lookback-days", type=int, metavar="DAYS", help="To look back at later ones."
)
@config_option
@click.pass_context
def run(ctx, testing, duration, config_file, **given) -> None:
    """Collect without end, and build, fetch macro data and derivatives, repair, seal and validate
    on schedule, each as a process of its own. One a lake.

    Every job that fails is reported and tried again; none of them stops the capture. How it goes
    stands in logs/health/heartbeat.json and reports/health.md (`lake status`). Ctrl+C ends all of
    it in order within 10 s. A test run writes to testing.base_path only, at the pace of the section
    `testing`; with LAKE_TESTING=1 other commands look at its lake.

    \b
    Examples:
      lake run
      lake run --testing --duration 300
    """
    from loguru import logger

    from runner import config, logs

    lake = config.with_flags(config.load(config_file, testing), _flags(given))
    logs.setup(lake, "run", debug=(ctx.obj or {}).get("debug", False))
    for line in config.in_force(lake, *SECTIONS):
        logger.info("{}", line)
    for line in _supervise(lake, duration):
        click.echo(line)
        logger.bind(printed=True).info("{}", line)


def _flags(given: dict) -> dict[str, tuple[str, object]]:
    """Settings by their keys, as config.with_flags takes them."""
    return {
        "exchanges[0].symbols": ("--symbols", given["symbols"]),
        "transformer.schedule_minutes": (
            "--transform-interval-min",
            given["transform_interval_min"],
        ),
        "macro_minute.tickers": ("--macro-tickers", given["macro_tickers"]),
        "macro_minute.schedule_minutes": ("--macro-interval-min", given["macro_interval_min"]),
        "macro_minute.startup_backfill_days": (
            "--macro-lookback-startup-days",
            given["macro_lookback_startup_days"],
        ),
        "macro_minute.runtime_lookback_days": (
            "--macro-runtime-lookback-days",
            given["macro_runtime_lookback_days"],
        ),
    }


def _supervise(lake, duration_s: float | None) -> list[str]:
    """Run until stopped; the summary, a line each."""
    from runner.lock import hold
    from runner.run.supervise import Supervisor

    with hold(lake.base / LOCK, "running this lake"):
        _await_collector(lake)
        supervisor = Supervisor(lake, duration_s)
        with _stopped_by_signals(supervisor.stop), _stopped_by_console(supervisor.stop):
            supervisor.run()
        return supervisor.summary()


def _await_collector(lake) -> None:
    """Wait for a collector that a killed run has left; ClickException for one that stays."""
    from loguru import logger

    from runner.lock import is_held

    until = time.monotonic() + LEFT_S
    if holder := is_held(lake.base / "collector.lock"):
        logger.info("waiting for {}", holder)
    while holder := is_held(lake.base / "collector.lock"):
        if time.monotonic() > until:
            raise click.ClickException(
                f"Another process is already collecting into this lake ({holder}): stop it first;"
                " `lake run` has a collector of its own"
            )
        time.sleep(0.1)


@contextmanager
def _stopped_by_signals(stop: Callable[[str], None]) -> Iterator[None]:
    """Ctrl+C, SIGTERM and a terminal that is closed; nohup is respected."""
    names = [name for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {
        number: signal.signal(number, lambda got, frame: stop(signal.Signals(got).name))
        for number in numbers
        if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _stopped_by_console(stop: Callable[[str], None]) -> Iterator[None]:
    """On Windows: a console that is closed, where the process ends when the handler returns."""
    if os.name != "nt":
        yield
        return
    import ctypes

    done = threading.Event()

    @ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)
    def handler(event: int) -> int:
        if event < 2:  # Ctrl+C and Ctrl+Break are signals
            return 0
        stop("the console was closed")
        done.wait()
        return 1

    kernel = ctypes.windll.kernel32
    kernel.SetConsoleCtrlHandler(handler, 1)
    try:
        yield
    finally:
        done.set()
        kernel.SetConsoleCtrlHandler(handler, 0)
