"""`lake demo`: the whole way on this machine alone, from an exchange made of files to a query."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.config import Lake

MARK = "# made by `lake demo`; it is made anew at each run"
SYMBOLS = ["SOLUSDT", "BTCUSDT", "XRPUSDT"]
CONFIG = f"""{MARK}
general:
  log_level: WARNING
exchanges:
  - name: binance
    symbols: [{", ".join(SYMBOLS)}]
"""
# Early, so that also on a busy machine data comes after it: full speed is 1,000 times real time.
FAULT = "drop=at:60s"
STATES = "pivot bars_1s on state using count(*) group by symbol order by symbol"
TAPE = """
select symbol, first_id, last_id, count, missing, repaired, verdict
from tape
order by symbol
"""
QUERY = """
select strftime(window_start at time zone 'UTC', '%H:%M') as minute, close, round(vwap, 4) as vwap,
    round(volume_base, 2) as volume, trade_count, quiet_seconds as quiet, dark_seconds as dark
from bars_1m
where symbol = 'SOLUSDT'
order by window_start
"""


@click.command("demo", short_help="A tour without network, in its own folder.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="demo")
def demo(folder: Path) -> None:
    """A tour without network: replay a market, collect, build, repair, query and validate it.

    It works in its own folder, demo/, and takes less than a minute.

    \b
    Examples:
      lake demo
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
    click.echo(
        "1  An exchange made of files: ten minutes of a synthetic market, one lost connection."
    )
    exchange = _replay()
    try:
        ws_url, rest_url = _addresses(exchange)
        click.echo(f"   lake replay --speed max --stay --fault {FAULT}   → {ws_url}")
        _collect(lake, ws_url, rest_url)
        click.echo("3  Building …")
        for line in build(lake).told():
            click.echo(f"   lake build     → {line}")
        _show(lake, "4  Seconds by state: what is known of each second", STATES)
        _show(lake, "5  The certificate: trade ids that the lost connection cost", TAPE)
        at_replay = with_flags(lake, {"exchanges[0].rest_url": ("--rest-url", rest_url)})
        _repair(at_replay)
        _backfill(at_replay)
    finally:
        exchange.kill()
        exchange.communicate()
    query = f"lake sql \"from bars_1m where symbol = 'SOLUSDT'\" --config {folder}"
    _show(lake, f"8  A query: {query}", QUERY)
    written = _validate(lake, folder)
    click.echo(
        f"Done in {time.monotonic() - started:.0f} s.\n"
        f"  raw lines             {folder / 'data' / 'raw'}\n"
        f"  bars, plain Parquet   {folder / 'data' / 'parquet'}\n"
        f"  views over all        {folder / 'lake.db'}\n"
        f"  the whole report      {written}\n"
        "Try next:\n"
        f'  lake sql "from latest_price" --config {folder}\n'
        f"  duckdb -readonly {folder / 'lake.db'}\n"
        f"  lake init my-lake && cd my-lake && lake collect"
    )


def _collect(lake: "Lake", ws_url: str, rest_url: str) -> None:
    """Record a replayed market to its end."""
    from ingest.collect.collector import collect

    click.echo("2  Collecting it over a real WebSocket …")
    ended = collect(lake, ws_url=ws_url, rest_url=rest_url).ended
    if ended.startswith("SIG"):  # the collector ends in order; so does the tour
        raise KeyboardInterrupt
    parts = (lake.base / "raw" / "binance").glob("[!_]*/*/*.jsonl")
    lines = sum(path.read_bytes().count(b"\n") for path in parts)
    click.echo(f"   lake collect   → {lines:,} raw lines of {len(SYMBOLS)} symbols")


def _repair(lake: "Lake") -> None:
    """Fetch by id what the lost connection cost, and show the certificate again."""
    from ingest.repair.repair import repair

    click.echo("6  Fetching them by their ids …")
    done = repair(lake)
    if done.failed:
        raise click.ClickException("\n".join(done.failed))
    for line in done.told(lake.config.repair.max_ids_per_hole):
        click.echo(f"   lake repair    → {line}")
    _show(lake, "   The certificate now:", TAPE)


def _backfill(lake: "Lake") -> None:
    """Fetch the exchange's own minutes, which rule R7 then holds against ours."""
    from ingest.backfill.backfill import backfill
    from replay.market import DEFAULT_START

    click.echo("7  Fetching the exchange's own klines, to hold the bars against …")
    for line in backfill(lake, start_us=int(DEFAULT_START.timestamp()) * 1_000_000).told():
        click.echo(f"   lake backfill  → {line}")


def _show(lake: "Lake", title: str, sql: str) -> None:
    """What the lake answers to a question."""
    from runner import catalog
    from runner.answer import printed

    click.echo(f"\n{title}\n")
    for text in printed(catalog.connect(lake), sql, "table"):
        click.echo("".join(f"   {line}\n" for line in text.splitlines()), nl=False)
    click.echo()


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
    click.echo(f"\n9  Can it be used? lake validate --config {folder}\n")
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
