"""The command line of the lake, and connect() for notebooks: `import lake;
lake.connect().sql("from bars_1m")`.
"""

import sys

try:
    import errno
    import signal
    import threading
    import warnings
    from pathlib import Path

    import click

    from ingest.backfill.command import backfill
    from ingest.collect.command import collect
    from ingest.derivatives.command import derivatives
    from ingest.macro.command import macro
    from ingest.repair.command import repair
    from replay.command import replay
    from runner.build.command import build
    from runner.completion import completion
    from runner.dashboard.dashboard import dashboard
    from runner.demo import demo
    from runner.describe.command import describe
    from runner.health.status import status
    from runner.init import init
    from runner.lineage.command import lineage
    from runner.models.command import graph, ls
    from runner.query import shell, sql
    from runner.run import supervised as child
    from runner.run.run import run
    from runner.schedule.schedule import schedule
    from runner.seal.command import compact, prune
    from runner.slices.slice import slice_
    from runner.validation.check import check
    from runner.validation.validate import validate
    from runner.why.command import why
except KeyboardInterrupt:  # Ctrl+C before a command begins
    sys.exit(130)

FULL = "the disk is full: make room, then run the same command again; what it wrote is whole"
STOPPED = "stopped before it was done; what it wrote is whole, the same command does the rest"
STOPPED_READING = "stopped before the answer was there"
READING = {cmd.name for cmd in (status, validate, check, ls, graph, describe, lineage, why, sql)}


class Commands(click.Group):
    """Commands whose errors are one sentence; `--debug` shows where they come from."""

    def invoke(self, ctx: click.Context) -> object:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _as_ctrl_c)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise _stopped(ctx) from None
        except BrokenPipeError:  # `lake sql … | head`: the reader has enough
            sys.stdout = None
            raise click.exceptions.Exit(0) from None
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            if str(error) == "Query interrupted":  # how DuckDB reports Ctrl+C
                raise _stopped(ctx) from None
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise click.ClickException(FULL) from None
            text = " ".join(str(error).split()) or type(error).__name__
            raise click.ClickException(f"{text} (`lake --debug …` shows where)") from error
        finally:
            child.finish()


def _stopped(ctx: click.Context) -> click.ClickException:
    """What Ctrl+C left of a command."""
    return click.ClickException(STOPPED_READING if ctx.invoked_subcommand in READING else STOPPED)


def _as_ctrl_c(number: int, frame: object) -> None:
    """End as Ctrl+C would, also where a shell started us with Ctrl+C ignored."""
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80}
)
@click.version_option(package_name="market-lake", prog_name="lake")
@click.option("--debug", is_flag=True, help="Show stack traces and log lines of level DEBUG.")
@click.option("--supervised", is_flag=True, hidden=True, help="End with stdin: for `lake run`.")
@click.pass_context
def cli(ctx: click.Context, debug: bool, supervised: bool) -> None:
    """Record Binance trades and quotes, build exact 1-second bars, query them with DuckDB.

    \b
    First minutes:
      lake demo                    a tour without network
      lake init my-lake            a lake of your own
      lake collect                 record until Ctrl+C
      lake build                   raw lines become bars
      lake sql "from bars_1m"      query (or: duckdb lake.db)
    """
    ctx.obj = {"debug": debug}
    if supervised:
        child.begin()


for command in (
    demo,
    init,
    collect,
    run,
    status,
    build,
    validate,
    check,
    compact,
    prune,
    backfill,
    repair,
    macro,
    derivatives,
    replay,
    ls,
    graph,
    describe,
    lineage,
    why,
    slice_,
    schedule,
    dashboard,
    sql,
    shell,
    completion,
):
    cli.add_command(command)


def connect(folder: Path | str = "."):
    """A DuckDB connection in memory, in UTC, with the lake's views (bars_1s, tape …) and macros.

    `folder`: the lake's folder, its config.yml or its lake.db; by default the current folder. It
    never opens lake.db, so it blocks neither a build nor a shell, and new data appears in it by
    itself. FileNotFoundError where there is no lake, ValueError where its config.yml or its SQL is
    wrong, each in one sentence; UserWarning where nothing was built yet.
    """
    from runner import catalog, config

    file = Path(folder).expanduser()
    file = file.parent if file.name == "lake.db" else file
    file = file / "config.yml" if file.is_dir() else file
    if not file.exists():
        raise FileNotFoundError(
            f"there is no lake in {Path(folder).expanduser().absolute()}: name the folder of one, "
            "lake.connect('my-lake'), or make one with `lake init`"
        )
    try:
        here = config.load(file)
        if not (here.base / catalog.NOTED).exists():
            told = f"nothing was built in {here.base} yet, relations are empty: run `lake build`"
            warnings.warn(told, stacklevel=2)
        return catalog.connect(here)
    except click.ClickException as error:
        raise ValueError(error.message) from None


if __name__ == "__main__":
    sys.exit(cli())
