"""DuckDB's bare parse of raw lines: the floor under any build with it."""

import re
from pathlib import Path

import duckdb
import jinja2

from runner.config import SHIPPED


def parse(raw: str, threads: int) -> dict:
    """Count and greatest value of every column that the build reads, with its reader's options."""
    loader = jinja2.Environment(loader=jinja2.FileSystemLoader(SHIPPED))
    columns = str(loader.get_template("macros/line_format.jinja").module.columns)
    listed = ", ".join(f"max({name})" for name in re.findall(r"(\w+):", columns))
    files = [str(path) for path in sorted(Path(raw).glob("[!_]*/*/*.jsonl"))]
    with duckdb.connect(config={"threads": threads}) as con:
        con.execute("set preserve_insertion_order = false")
        found = con.execute(
            f"select count(*), {listed} from read_json($files, format = 'newline_delimited', "
            f"columns = {columns}, ignore_errors = true)",
            {"files": files},
        ).fetchone()
    return {"lines": found[0]}
