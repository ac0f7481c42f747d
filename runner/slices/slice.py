"""`lake slice`: take a stretch of the lake away in one file, with its proof."""

from pathlib import Path

import click

from runner.command import config_option, end_option, start_option, symbols_option
from runner.moments import WIDTHS_US, iso
from runner.slices.request import SOURCES, Request

ENDINGS = {".parquet": "parquet", ".csv": "csv"}
SYMBOLS_NAMED = 5


@click.command("slice", short_help="Take a stretch away in one file, with its proof.")
@symbols_option
@start_option
@end_option
@click.option("--tf", type=click.Choice([*WIDTHS_US]), help="Width of bars.  [default: 1m]")
@click.option(
    "--source",
    type=click.Choice([*SOURCES]),
    default="bars",
    show_default=True,
    help="What to take.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The file to write.")
@click.option(
    "--format",
    "form",
    type=click.Choice([*ENDINGS.values()]),
    help="[default: as FILE ends: .parquet or .csv]",
)
@click.option("--allow-dark", is_flag=True, help="Take it even where it is not known to be whole.")
@click.option("--force", is_flag=True, help="Write over a FILE that is there already.")
@click.option(
    "--verify",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Only check a slice against its manifest, without a lake; exit code 3: it does not hold.",
)
@config_option
def slice_(symbols, start, end, tf, source, out, form, allow_dark, force, verify, config_file):
    """Take a stretch of the lake away in one file, with FILE.manifest.json beside it: range, rows,
    sha256, the tape's verdict of each day, what is not proven, and the SQL it was made with.

    A stretch that is not known to be whole is refused by name. Bars and trades: dark or partial
    seconds, and time before the first or after the last known trade or on a day that was not
    recorded. Quotes: time in which the stream was not on (quotes are covered, never proven).
    Trades and quotes: the hour that is still being recorded. Klines: missing ones. --allow-dark
    takes it all the same; the manifest then lists them. The second of the symbol's very first or
    last known trade may stay partial.

    Rows come by symbol, day and key. The same data gives the same bytes. CSV has times in ISO UTC,
    doubles in their shortest exact form, and an empty field where there is no value.

    \b
    Examples:
      lake slice --start 2025-10-20 --end 2025-10-21 --out day.parquet
      lake slice --source trades --start 2025-10-20 --end 2025-10-21 --out t.csv
      lake slice --verify day.parquet
    """
    if verify is not None:
        _refuse_others(symbols, start, end, tf, out, form, allow_dark, force)
        click.echo(_verified(verify))
        return
    request = _request(symbols, start, end, tf, source, out, form, allow_dark)
    from runner.config import load
    from runner.slices.slicing import take

    lake = load(config_file)
    _refuse_place(out, lake.base, force)
    taken = take(lake, request)
    click.echo(f"{out}: {_told(taken)}, sha256 {taken['sha256']}")


def _request(symbols, start, end, tf, source, out, form, allow_dark) -> Request:
    """What is asked for; UsageError for options that do not fit together."""
    needed = {"--start": start, "--end": end, "--out": out}
    if missing := [name for name, value in needed.items() if value is None]:
        raise click.UsageError(f"{' and '.join(missing)} must be given (or --verify FILE)")
    if end <= start:
        raise click.UsageError(f"--end {iso(end)} must be later than --start {iso(start)}")
    is_ticks = source in ("trades", "quotes")
    if is_ticks and tf:
        raise click.UsageError(f"--tf is for bars and klines; {source} have no width")
    if ENDINGS.get(out.suffix.lower()) != (form or ENDINGS.get(out.suffix.lower(), "")):
        raise click.UsageError(
            f"--out {str(out)!r} must end in {f'.{form}' if form else '.parquet or .csv'}"
        )
    tf = None if is_ticks else tf or "1m"
    for option, us in (("--start", start), ("--end", end)):
        if tf and us % WIDTHS_US[tf]:
            raise click.UsageError(f"{option} {iso(us)} lies inside a bar of {tf}")
    return Request(source, tf, tuple(sorted(symbols)), start, end, out, allow_dark)


def _refuse_place(out: Path, base: Path, force: bool) -> None:
    """Refuse a file that cannot or should not be written; ClickException."""
    from runner.slices.manifest import path_of

    try:
        folder = out.parent.resolve()
        there = [path for path in (out, path_of(out)) if _is_there(path)]
    except OSError as error:
        raise click.ClickException(f"--out {str(out)!r} cannot be written: {error}") from None
    if not folder.is_dir():
        raise click.ClickException(f"--out: there is no folder {folder}; make it first")
    if folder.is_relative_to(base.resolve()):
        raise click.ClickException(
            f"--out: {out} lies in the lake's own data, where it would be read as a part of it; "
            "choose another folder"
        )
    if out.is_dir():
        raise click.ClickException(f"--out: {out} is a folder; name a file in it")
    if there and not force:
        raise click.ClickException(
            f"{there[0]} is there already; choose another name, or write over it with --force"
        )


def _is_there(path: Path) -> bool:
    """Whether there is anything of this name, a broken link too; OSError for an impossible one."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _refuse_others(*options: object) -> None:
    if any(option not in (None, False, frozenset()) for option in options):
        raise click.UsageError("--verify FILE goes alone: it checks a slice that is there")


def _verified(file: Path) -> str:
    """What a slice that holds is; ends with exit code 3 where it does not hold."""
    from runner.slices import manifest

    if not file.is_file():
        raise click.ClickException(f"--verify: there is no file {file}")
    try:
        return f"{file} holds: {_told(manifest.read(file))}"
    except ValueError as error:
        click.echo(f"{file} does not hold: {error}", err=True)
        raise click.exceptions.Exit(3) from None


def _told(taken: dict) -> str:
    """A manifest in one line."""
    gaps = f", stretches not known to be whole: {len(taken['gaps']):,}" if taken["gaps"] else ""
    symbols = taken["symbols"]
    named = ", ".join(symbols) if len(symbols) <= SYMBOLS_NAMED else f"{len(symbols)} symbols"
    return (
        f"{taken['rows']:,} rows of {taken['relation']}, {named}, "
        f"{taken['start']} to {taken['end']}{gaps}"
    )
