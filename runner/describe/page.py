"""All relations, macros and raw lines of a lake as one page of Markdown."""

import click
import jinja2

from runner.config import SHIPPED
from runner.describe.describe import KINDS, Relation, macros, raw_keys, relations
from runner.models.models import TEMPLATE_ERRORS, Models

TEMPLATE = "reports/dictionary.md.jinja"


def markdown(models: Models) -> str:
    """The page; ClickException where a template of the lake's own cannot be filled in."""
    found = relations(models)
    loader = jinja2.FileSystemLoader([models.lake.folder, SHIPPED])
    jinja = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    jinja.filters["cell"] = cell
    told = {"relations": found, "macros": macros(models), "raw": raw_keys(models)}
    told |= {"same": same_columns(found), "kinds": KINDS}
    try:
        return jinja.get_template(TEMPLATE).render(**told).strip() + "\n"
    except TEMPLATE_ERRORS as error:
        raise click.ClickException(f"{TEMPLATE} is at fault: {error}") from error


def same_columns(found: dict[str, Relation]) -> dict[str, str]:
    """Relation → another one before it with the same columns and words, "" where there is none."""
    first: dict[tuple, str] = {}
    same = {}
    for name, one in found.items():
        before = first.setdefault(tuple(one.columns), name)
        same[name] = before if before != name else ""
    return same


def cell(text: str) -> str:
    r"""A text inside a table of Markdown.

    >>> print(cell("a|b"))
    a\|b
    """
    return text.replace("|", "\\|")
