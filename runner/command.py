"""The options that several commands share: the same words and the same completion everywhere."""

from pathlib import Path

import click

from runner import completion
from runner.moments import Moment


def _symbols(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> frozenset[str]:
    names = frozenset(name.strip() for name in (value or "").split(",") if name.strip())
    if value is not None and not names:
        raise click.BadParameter("names none; leave it out for all symbols")
    return names


def names_of(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> list[str] | None:
    """The names of an option, in capitals; None where it is not given."""
    if value is None:
        return None
    return [name.strip().upper() for name in value.split(",") if name.strip()]


def _day(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from runner.paths import is_day

    if value is not None and not is_day(value):
        raise click.BadParameter(f"{value!r} is not a day; write 2025-10-20")
    return value


config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The lake's config.yml, or its folder.  [default: .]",
)
symbols_option = click.option(
    "--symbols",
    callback=_symbols,
    metavar="A,B",
    shell_complete=completion.symbols,
    help="Only these symbols, separated by commas.",
)
own_symbols_option = click.option(
    "--symbols",
    callback=names_of,
    metavar="A,B",
    shell_complete=completion.symbols,
    help="Symbols, in place of those in config.yml.",
)
day_option = click.option(
    "--date",
    "day",
    callback=_day,
    metavar="DAY",
    shell_complete=completion.days,
    help="Only this UTC day, as 2025-10-20.",
)
start_option = click.option(
    "--start", type=Moment(), help="First moment, UTC: 2025-10-20 or 2025-10-20T12:00:00Z."
)
end_option = click.option("--end", type=Moment(), help="First moment after the range.")
look_back_option = click.option(
    "--days", type=click.IntRange(1, 29), help="Days to look back, in place of config.yml's."
)
duration_option = click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop after this many seconds.",
)
rest_url_option = click.option(
    "--rest-url", metavar="URL", help="REST address, in place of config.yml's."
)
archive_url_option = click.option(
    "--archive-url", metavar="URL", help="Archive's address, in place of config.yml's."
)
testing_option = click.option(
    "--testing", is_flag=True, help="The lake of test runs (testing.base_path)."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, for programs."
)
