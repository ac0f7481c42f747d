"""What the text of a rendered SQL file says: which tables it reads, or why it is no query."""

import re
from pathlib import Path

import click


def tables_read(path: Path, sql: str) -> list[str]:
    """The tables that an SQL text reads; ClickException for what is not one statement."""
    import sqlglot
    from sqlglot import exp

    try:
        statements = [one for one in sqlglot.parse(sql, dialect="duckdb") if one]
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise click.ClickException(f"{path}, {_why_not_sql(sql, error)}") from None
    if len(statements) != 1:
        raise click.ClickException(
            f"{path}, line 1: holds {len(statements)} statements; write one select a file"
        )
    own = {cte.alias for cte in statements[0].find_all(exp.CTE)}
    return sorted({table.name for table in statements[0].find_all(exp.Table)} - own)


def _why_not_sql(sql: str, error: Exception) -> str:
    """What DuckDB says of a text that cannot be parsed; sqlglot, where DuckDB can."""
    import duckdb

    try:
        duckdb.extract_statements(sql)
    except duckdb.Error as refusal:
        line = re.search(r"^LINE (\d+):", str(refusal), re.MULTILINE)
        return f"line {line[1] if line else '?'} of the rendered SQL: {refusal}"
    known = getattr(error, "errors", None) or [{}]
    line, why = known[0].get("line", "?"), known[0].get("description", error)
    return f"near line {line} of the rendered SQL: {why}"
