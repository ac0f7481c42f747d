"""`lake check`: whether a whole lake can be used, a line a check and one verdict."""

import click

from runner.command import config_option, json_option, testing_option

FAILED = 3


@click.command("check", short_help="Check the whole lake: one verdict, a line a check.")
@click.option("--deep", is_flag=True, help="Hash all sealed files, and look at every key.")
@json_option
@testing_option
@config_option
@click.pass_context
def check(ctx, deep, as_json, testing, config_file) -> None:
    """Check the whole lake: files, bars, trades, sealed days, room on the disk, configuration.

    PASS: every check holds. PASS_WITH_WARNINGS: what does not is no fault of the data.
    FAIL (exit code 3): data are missing, damaged or wrong, or there are none.
    Each line says what and where, and what to do. It changes nothing.

    \b
    Examples:
      lake check
      lake check --deep --json
    """
    from loguru import logger

    from runner import logs
    from runner.config import load
    from runner.validation import checks

    def told(line: checks.Line) -> checks.Line:
        if not as_json:
            click.echo(str(line))
        return line

    try:
        lake = load(config_file, testing)
    except click.ClickException as error:  # the configuration is what is checked here
        found = checks.refused(told(checks.Line("config", "FAIL", error.message, 1)), deep)
    else:
        logs.setup(lake, "validation", debug=(ctx.obj or {}).get("debug", False))
        if not as_json:
            click.echo(checks.head(lake))
        found = checks.judged(lake, [told(line) for line in checks.checked(lake, deep)], deep)
        logger.bind(printed=True).info("check: {}: {}", found.verdict, found.reason)
    click.echo(checks.as_json(found) if as_json else checks.tail(found))
    if found.verdict == "FAIL":
        raise click.exceptions.Exit(FAILED)
