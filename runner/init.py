"""`lake init`: a new lake is a folder with a small config.yml."""

import os
import shlex
from pathlib import Path

import click
import yaml

from runner import config

TEMPLATE = """\
# A market-data lake. This file holds only what differs from the shipped settings: any key of
# {shipped}
# may be set here too, in the same section.
#
# SQL is changed the same way: a file in sql/ or macros/ next to this one takes the place of the
# shipped file of the same path, a new one adds to them; `lake ls` marks them.

general:
  # Folder that holds all data, relative to this file or absolute.
  base_path: data
  # Least level that the logs show: DEBUG, INFO, WARNING or ERROR.
  log_level: INFO

exchanges:
  - name: binance
    # What to record: the exchange's names, in capitals.
    symbols:
{symbols}
"""


@click.command("init", short_help="Make a lake: a folder with a config.yml.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--symbols", help="What to record, separated by commas.  [default: 19 USDT pairs]")
def init(folder: Path, symbols: str | None) -> None:
    """Make a lake: FOLDER (here, unless named) with a config.yml to edit.

    \b
    Examples:
      lake init my-lake --symbols SOLUSDT,BTCUSDT
    """
    shipped = config.load(config.SHIPPED / "config.yml")
    given = [name.strip() for name in symbols.split(",")] if symbols is not None else None
    lake = config.with_flags(shipped, {"exchanges[0].symbols": ("--symbols", given)})
    file = folder / "config.yml"
    text = TEMPLATE.format(
        shipped=config.SHIPPED / "config.yml",
        symbols="\n".join(f"      - {_written(one)}" for one in lake.config.exchanges[0].symbols),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already: edit it, or name a folder") from None
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None
    click.echo(_next_steps(folder, file))


def _written(symbol: str) -> str:
    """A symbol as YAML reads it back: 1000, NO and 2025-13-45 need quotes."""
    try:
        is_plain = yaml.safe_load(symbol) == symbol
    except (ValueError, yaml.YAMLError):
        is_plain = False
    return symbol if is_plain else f'"{symbol}"'


def shown(path: Path) -> str:
    """A path as a terminal reads it."""
    if os.name == "nt":
        return f'"{path}"' if " " in str(path) else str(path)
    return shlex.quote(str(path))


def _next_steps(folder: Path, file: Path) -> str:
    go = "" if folder.resolve() == Path.cwd() else f"  cd {shown(folder)}\n"
    return f"""A lake: {file.absolute()} (look it over: symbols, folder for the data)
Next:
{go}  lake collect                    # record trades and quotes; Ctrl+C ends it
  lake build                      # make 1-second bars of them; again whenever you like
  lake sql "from latest_price"    # or any DuckDB: duckdb lake.db"""
