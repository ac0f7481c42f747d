"""`lake demo`: the whole way on this machine alone, from an exchange made of files to a query."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import click

from runner.config import SHIPPED
from runner.init import shown

if TYPE_CHECKING:
    from runner.config import Lake

MARK = "# made by `lake demo`; it is made anew at each run"
SYMBOLS = ["SOLUSDT", "BTCUSDT", "XRPUSDT"]
CONFIG = f"""{MARK}
general:
  log_level: ERROR
exchanges:
  - name: binance
    symbols: [{", ".join(SYMBOLS)}]
"""
WIDTH = 80
# Early, so that also on a busy machine data comes after it: full speed is 1,000 times real time.
FAULT = "drop=at:60s"
# The questions that the tour asks, an SQL file each.
QUERIES = "reports/demo"


@click.command("demo", short_help="A tour without network, in its own folder.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="demo")
def demo(folder: Path) -> None:
    """A tour without network: replay a market, collect, build, repair, fetch klines, macro data and
    futures, query and validate.

    It works in its own folder, demo/, which each tour makes anew, and takes less than a minute.

    \b
    Examples:
      lake demo
      lake demo tour
    """
    from runner.lock import hold

    _refuse(folder)
    with hold(folder / "demo.lock", "giving the demo in this folder"):
        _give(folder)


def _give(folder: Path) -> None:
    """The tour itself, in a folder of its own."""
    from runner import logs
    from runner.build.build import build
    from runner.config import load, with_flags

    started = time.monotonic()
    _fresh(folder)
    lake = load(folder)
    logs.setup(lake, "collector")
    click.echo("1  An exchange made of files: ten minutes of a market, one lost connection")
    exchange = _replay()
    try:
        ws_url, rest_url = _addresses(exchange)
        _say("replay", [f"{ws_url} (fault {FAULT})"])
        _collect(lake, ws_url, rest_url)
        click.echo("3  Building …")
        _say("build", build(lake).told())
        _show(lake, "4  Seconds by state: what is known of each second", "states")
        _show(lake, "5  The certificate: trade ids that the lost connection cost", "tape")
        at_replay = with_flags(lake, {"exchanges[0].rest_url": ("--rest-url", rest_url)})
        _repair(at_replay)
        _backfill(at_replay)
        _fetch_others(lake, rest_url)
    finally:
        exchange.kill()
        exchange.communicate()
    query = _sql("minutes").splitlines()[-1]
    _show(lake, f'8  lake sql "{query}" --config {shown(folder)}', "minutes")
    _show(lake, "   What else there is, by its newest value", "others")
    written = _validate(lake, folder)
    click.echo(
        f"Done in {time.monotonic() - started:.0f} s.\n"
        f"  raw lines             {folder / 'data' / 'raw'}\n"
        f"  bars, plain Parquet   {folder / 'data' / 'parquet'}\n"
        f"  views over all        {folder / 'lake.db'}\n"
        f"  the whole report      {written}\n"
        "Try next: a query, a bar that was repaired, a lake of your own\n"
        f'  lake sql "from latest_price" --config {shown(folder)}\n'
        f"  lake why SOLUSDT {_repaired_second(lake)} --config {shown(folder)}\n"
        "  lake init my-lake"
    )


def _say(command: str, lines: Iterable[str]) -> None:
    """What a command told, folded at the width of a terminal."""
    head = f"   lake {command:11} → "
    for line in lines:
        click.echo(fill(line, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)))


def _repaired_second(lake: "Lake") -> str:
    """A second whose trades the lost connection cost."""
    from runner import catalog

    with catalog.connect(lake) as con:
        return con.execute(_sql("repaired")).fetchone()[0]


def _collect(lake: "Lake", ws_url: str, rest_url: str) -> None:
    """Record a replayed market to its end."""
    from ingest.collect.collector import collect

    click.echo("2  Collecting it over a real WebSocket …")
    ended = collect(lake, ws_url=ws_url, rest_url=rest_url).ended
    if ended.startswith("SIG"):  # the collector ends in order; so does the tour
        raise KeyboardInterrupt
    parts = (lake.base / "raw" / "binance").glob("[!_]*/*/*.jsonl")
    lines = sum(path.read_bytes().count(b"\n") for path in parts)
    _say("collect", [f"{lines:,} raw lines of {len(SYMBOLS)} symbols"])


def _repair(lake: "Lake") -> None:
    """Fetch by id what the lost connection cost, and show the certificate again."""
    from ingest.repair.repair import repair

    click.echo("\n6  Fetching them by their ids …")
    done = repair(lake)
    if done.failed:
        raise click.ClickException("\n".join(done.failed))
    _say("repair", done.told(lake.config.repair.max_ids_per_hole))
    _show(lake, "   The certificate now:", "tape")


def _backfill(lake: "Lake") -> None:
    """Fetch the exchange's own minutes, which rule R7 then holds against ours."""
    from ingest.backfill.backfill import backfill
    from replay.market import DEFAULT_START

    click.echo("\n7  Fetching the exchange's own klines, to hold the bars against …")
    start_us = int(DEFAULT_START.timestamp()) * 1_000_000
    _say("backfill", backfill(lake, start_us=start_us).told())


def _fetch_others(lake: "Lake", rest_url: str) -> None:
    """Fetch a day of what Yahoo and the futures exchange would say."""
    from ingest.derivatives import derivatives
    from ingest.macro import macro
    from runner.config import with_flags

    click.echo("   and a day of macro data, funding and open interest beside them …")
    flags = {
        "macro_minute.url": ("--url", rest_url),
        "macro_minute.startup_backfill_days": ("--days", 1),
        "exchanges[0].futures_url": ("--url", rest_url),
        "derivatives.startup_backfill_days": ("--days", 1),
    }
    at_replay = with_flags(lake, flags)
    for name, source in (("macro", macro), ("derivatives", derivatives)):
        done = source.fetch(at_replay)
        if errors := done.errors():
            raise click.ClickException(errors)
        _say(name, [done.told()])


def _show(lake: "Lake", title: str, question: str) -> None:
    """What the lake answers to a question."""
    from runner import catalog
    from runner.answer import Answer

    click.echo(f"\n{title}\n")
    with catalog.connect(lake) as con:
        for text in Answer(con, _sql(question), "table", WIDTH - 3):
            click.echo("".join(f"   {line}\n" for line in text.splitlines()), nl=False)


def _sql(question: str) -> str:
    return (SHIPPED / QUERIES / f"{question}.sql").read_text(encoding="utf-8")


def _refuse(folder: Path) -> None:
    """Refuse a folder that is not a demo's own."""
    config = folder / "config.yml"
    if config.exists() and not config.read_text(encoding="utf-8").startswith(MARK):
        raise click.ClickException(
            f"{folder} holds a lake that is not the demo's; name another folder: lake demo tour"
        )
    others = {path.name for path in folder.glob("*")} - {"demo.lock"}
    if others and not config.exists():
        raise click.ClickException(f"{folder} is not empty; name another folder: lake demo tour")


def _validate(lake: "Lake", folder: Path) -> Path:
    """Ask all rules and print what they say; returns where the report lies."""
    from runner.validation import report
    from runner.validation.checked import Choice
    from runner.validation.validation import run

    found = run(lake, Choice())
    click.echo(f"\n9  Can it be used? lake validate --config {shown(folder)}\n")
    for line in report.summary(found):
        click.echo(f"   {line}")
    click.echo("   (R11: quotes of the seconds without connection are gone, trades are not)\n")
    written, _ = report.write(lake, found, None)
    return folder / written.relative_to(lake.folder)


def _fresh(folder: Path) -> None:
    """Make the demo's lake; what an earlier demo left goes."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    (folder / "lake.db").unlink(missing_ok=True)
    (folder / "config.yml").write_text(CONFIG, encoding="utf-8")


def _replay() -> subprocess.Popen:
    """Start `lake replay` as a process of its own."""
    command = [
        sys.executable,
        "-m",
        "lake",
        "replay",
        "--symbols",
        ",".join(SYMBOLS),
        *("--speed", "max"),
        "--stay",
    ]
    return subprocess.Popen(
        [*command, "--fault", FAULT],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def _addresses(exchange: subprocess.Popen) -> tuple[str, str]:
    """The replay's WebSocket and REST address, which it prints when it is ready."""
    told = ""
    for line in exchange.stdout:
        told += line
        ws_url, rest_url = re.search(r"ws://\S+", told), re.search(r"http://\S+", told)
        if ws_url and rest_url:
            return ws_url[0], rest_url[0]
    raise click.ClickException(f"the replay did not start: {told.strip() or 'it said nothing'}")
