"""`lake why`: why a bar is as it is."""

from pathlib import Path

import click

from runner import completion
from runner.command import config_option, testing_option
from runner.moments import Moment


@click.command("why", short_help="Explain one bar of one second, down to its raw lines.")
@click.argument("symbol", shell_complete=completion.symbol)
@click.argument("moment", metavar="TIME", type=Moment())
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is told.",
)
@testing_option
@config_option
def why(symbol: str, moment: int, form: str, testing: bool, config_file: Path | None) -> None:
    """Explain the bar of SYMBOL in the second that TIME lies in.

    What is known of it and why, its trades and its quote with the raw files and lines in which they
    stand, lines beside it that could not be read, what its day is, what the exchange says of its
    minute, which rules it breaks, and which SQL made it.

    \b
    Examples:
      lake why SOLUSDT 2025-10-20T12:00:05Z
      lake why SOLUSDT "2025-10-20 12:00:05.250"
    """
    from runner.config import load
    from runner.why.told import as_json, as_text

    told = as_json if form == "json" else as_text
    click.echo(told(load(config_file, testing), symbol, moment))
