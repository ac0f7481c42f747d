"""A reader in a process of its own: `python restless.py KIND FOLDER REST_S`.

It says when it has begun, asks again and again until its standard input ends, and then prints what
it met as JSON: reads, errors by their text, and of each file (relation, symbol, day) its answers,
in the order in which they changed. KIND is the name of a function in KINDS.
"""

import importlib.util
import itertools
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import duckdb
import pyarrow.parquet
from lakes import DUCKDB

import lake

# Of each relation: where it lies, its trades, their volume, the columns of first and last id.
RELATIONS = {
    "bars_1s": ("parquet", "sum(trade_count)", "volume_base", "first_trade_id", "last_trade_id"),
    "trades": ("ticks/{}/trades", "count(distinct trade_id)", "qty", "trade_id", "trade_id"),
}
QUESTIONS_A_SHELL = 50
ENDED = "answered"

Rows = list[list]
Reader = Iterator[Callable[[], Rows]]


def query(relation: str, source: str) -> str:
    """One row a file: relation, symbol, day, rows, trades, tenths of a coin, first and last id."""
    _, trades, volume, first, last = RELATIONS[relation]
    return f"""
        select '{relation}', symbol, day::varchar, count(*), {trades}::bigint,
            sum(round({volume} * 10)::bigint)::bigint, min({first}), max({last})
        from {source}
        group by all"""


def views() -> list[str]:
    return [query(relation, relation) for relation in RELATIONS]


def plain(path: str, *options: str) -> str:
    listed = ", ".join((f"'{path}'", "hive_partitioning = false", *options))
    return f"read_parquet({listed})"


def wide(base: str) -> list[str]:
    """Queries on all files of a relation: the first one is the schema file, which nobody
    replaces."""
    return [
        query("bars_1s", plain(f"{base}/parquet/**/*.parquet")),
        query("bars_1s", plain(f"{base}/parquet/*/*/year=*/month=*/day=*/*.parquet")),
        query("trades", plain(f"{base}/ticks/*/trades/**/*.parquet")),
    ]


def narrow(base: str) -> list[str]:
    """Queries whose first file is one that builds replace."""
    return [
        *(query(relation, plain(path)) for relation, path in files(base)),
        query("bars_1s", plain(f"{base}/parquet/binance/**/*.parquet")),
        query("bars_1s", plain(f"{base}/parquet/**/*.parquet", "union_by_name = true")),
    ]


def files(base: str) -> list[tuple[str, str]]:
    """Relation and path of each published file."""
    tops = {name: Path(base, own[0].format("binance")) for name, own in RELATIONS.items()}
    found = [(name, path) for name, top in tops.items() for path in top.rglob("*.parquet")]
    return sorted((name, path.as_posix()) for name, path in found if "_schema" not in path.parts)


def notebook(folder: Path) -> Reader:
    """Views and globs in one connection; now and then a view in a lake.db opened anew."""
    con = lake.connect(folder)
    asked = views() + wide((folder / "data").as_posix())
    while True:
        yield partial(opened, folder / "lake.db", asked[0])
        for text in 10 * asked:
            yield partial(rows, con, text)


def mixed(folder: Path) -> Reader:
    """Globs without the lake, and single files by pyarrow, which opens them once."""
    con, base = duckdb.connect(), (folder / "data").as_posix()
    while True:
        for text in 3 * wide(base):
            yield partial(rows, con, text)
        for relation, path in files(base):
            yield partial(row, by_pyarrow, relation, path)


def shell(folder: Path) -> Reader:
    """The duckdb shell, of another version than the library, on lake.db: all ways to name files."""
    base = (folder / "data").as_posix()
    questions = itertools.cycle(views() + wide(base) + narrow(base))
    command = [str(DUCKDB), "-readonly", "-jsonlines", str(folder / "lake.db")]
    told = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    while True:
        with subprocess.Popen(command, **told, text=True, encoding="utf-8") as process:
            for _ in range(QUESTIONS_A_SHELL):
                yield partial(typed, process, next(questions))
            process.stdin.close()


def named(folder: Path) -> Reader:
    """What is open only in turns: single files by DuckDB 2 and polars, globs that begin with a file
    which builds replace."""
    con, base = duckdb.connect(), (folder / "data").as_posix()
    has_polars = importlib.util.find_spec("polars") is not None
    while True:
        for text in narrow(base):
            yield partial(rows, con, text)
        for relation, path in files(base) if has_polars else []:
            yield partial(row, by_polars, relation, path)


KINDS = {kind.__name__: kind for kind in (notebook, mixed, shell, named)}


def rows(con: duckdb.DuckDBPyConnection, text: str) -> Rows:
    return con.execute(text).fetchall()


def opened(database: Path, text: str) -> Rows:
    with duckdb.connect(str(database), read_only=True) as con:
        return rows(con, text)


def typed(process: subprocess.Popen, text: str) -> Rows:
    """What a shell answers."""
    process.stdin.write(f"{text};\n.print {ENDED}\n")
    process.stdin.flush()
    lines = list(itertools.takewhile(lambda line: line.strip() != ENDED, process.stdout))
    if not lines or any(not line.startswith("{") for line in lines):
        raise duckdb.Error("".join(lines))
    return [list(json.loads(line).values()) for line in lines]


def by_pyarrow(path: str) -> pyarrow.Table:
    return pyarrow.parquet.read_table(path, partitioning=None)


def by_polars(path: str) -> pyarrow.Table:
    import polars

    return polars.read_parquet(path, hive_partitioning=False).to_arrow()


def row(way: Callable[[str], pyarrow.Table], relation: str, path: str) -> Rows:
    """What `query` says of one file."""
    with duckdb.connect() as con:
        return rows(con.register("table_read", way(path)), query(relation, "table_read"))


def main(kind: str, folder: str, rest_s: str) -> None:
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    reads, errors, answers = 0, Counter(), {}
    for ask in KINDS[kind](Path(folder)):
        if over.is_set():
            break
        try:
            for relation, symbol, day, *answer in ask():
                met = answers.setdefault(f"{relation} {symbol} {day}", [])
                if met[-1:] != [answer]:
                    met.append(answer)
        except Exception as error:  # of any library: each is counted
            errors[f"{type(error).__name__}: {str(error).strip()}"] += 1
        reads += 1
        if reads == 1:
            print("reading", flush=True)
        over.wait(float(rest_s))
    print(json.dumps({"reads": reads, "errors": errors, "answers": answers}))


if __name__ == "__main__":
    main(*sys.argv[1:])
