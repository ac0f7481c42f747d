"""The commands that look at the SQL files: ls, graph."""

from textwrap import fill

import click

from runner.command import config_option
from runner.next_step import to_bars

WIDTH = 80
INDENT = " " * 13


@click.command("ls", short_help="List all relations and macros.")
@config_option
def ls(config_file) -> None:
    """List all relations and macros: layer, where they are stored, what one row is.

    \b
    Examples:
      lake ls
    """
    from runner.config import load
    from runner.models.models import Models

    models = Models(load(config_file))
    for model in sorted(models.models.values(), key=lambda model: (model.layer, model.name)):
        mark = "*" if models.is_own(model.path) else " "
        kind = "view" if model.is_view else model.file or model.keys.get("severity", "-")
        click.echo(f"{mark} {model.layer:8} {model.name}  {kind}")
        click.echo(fill(model.sentence, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT))
    for name, path in sorted(models.macros.items()):
        click.echo(f"{'*' if models.is_own(path) else ' '} {'macro':8} {name}")
    paths = [*(model.path for model in models.models.values()), *models.macros.values()]
    if any(map(models.is_own, paths)):
        click.echo("* = from this lake's own folder")
    if lacks := to_bars(models.lake):
        click.echo(lacks)


@click.command("graph")
@config_option
def graph(config_file) -> None:
    """Print which relation reads which, as a Mermaid graph.

    \b
    Examples:
      lake graph > graph.mmd
    """
    from runner.config import load
    from runner.models.models import Models

    models = Models(load(config_file))
    click.echo("graph LR")
    for layer in dict.fromkeys(model.layer for model in models.models.values()):
        click.echo(f"  subgraph {layer}")
        for model in models.models.values():
            if model.layer == layer:
                click.echo(
                    f"    {model.name}[({model.name})]" if model.file else f"    {model.name}"
                )
        click.echo("  end")
    for name in models.models:
        for read in sorted(models.reads(name)):
            click.echo(f"  {read} --> {name}")
