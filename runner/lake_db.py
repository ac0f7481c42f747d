"""lake.db: the catalog as a file that any DuckDB shell opens.

It holds views, macros and comments, no data, and is rewritten only when their text changed. A read-
write shell keeps it
locked; then the new one waits beside it as lake.next.db. Nothing of the user's is ever deleted.
"""

import datetime
import os
import re
import shutil
from collections.abc import Container
from pathlib import Path

import duckdb

from runner import catalog
from runner.build.publish import sql_text
from runner.catalog import BETWEEN, COMMENTS, NOTED, STATEMENT
from runner.files import replace, write_whole
from runner.models.fingerprint import normalised
from runner.models.models import Models

STORAGE = "v1.0.0"
OWN = "lake_catalog"


def renew(
    con: duckdb.DuckDBPyConnection, models: Models, dry_run: bool, broken: Container[str] = ()
) -> str | None:
    """Rewrite lake.db if the catalog's text changed; returns what happened in one sentence, None
    for nothing.

    The connection is a prepared one: it holds the empty relation `no_…` of each stored model.
    """
    lake = models.lake
    stale = [
        model
        for model in models.stored()
        if model.name not in broken and catalog.schema_is_stale(con, models, model)
    ]
    text = catalog.statements(con, models, broken)
    noted, following = lake.base / NOTED, lake.db.with_name("lake.next.db")
    changed = _changed(noted, text) if lake.db.exists() else "it is not there"
    for model in () if dry_run else stale:
        catalog.write_schema(con, models, model)
    if not changed and not following.exists():
        return None
    if dry_run:
        return f"{lake.db.name}: {changed or 'its new views wait in lake.next.db'}"
    # In this order: while lake.next.db is there, the next build takes the swap up again.
    _write(following, text, models)
    write_whole(noted, text.encode())
    return _swap(following, lake.db)


def _changed(noted: Path, text: str) -> str | None:
    """What differs from the catalog written last; comments in the SQL do not count, those on
    columns do.
    """
    old_text = noted.read_text(encoding="utf-8") if noted.exists() else ""
    old, new = _by_name(old_text), _by_name(text)
    names = [name for name in old | new if old.get(name) != new.get(name)]
    if names:
        return f"{', '.join(names[:4])}{' and others' if len(names) > 4 else ''} changed"
    is_same = old_text.partition(COMMENTS)[2] == text.partition(COMMENTS)[2]
    return None if is_same else "what it says of columns changed"


def _by_name(text: str) -> dict[str, str]:
    """Normalised statement of each view and macro."""
    found = {}
    for statement in text.partition(COMMENTS)[0].split(BETWEEN):
        match = re.search(STATEMENT, statement)
        if match:
            found[f"{match[1]} {match[2]}"] = normalised(statement)
    return found


def _write(path: Path, text: str, models: Models) -> None:
    """Make a new database file with the catalog, readable by every DuckDB since 1.0; it is there as
    a whole or not at all.
    """
    making = path.with_name("lake.making.db")
    for left in (making, _wal(making)):
        left.unlink(missing_ok=True)
    attach = f"attach '{sql_text(making)}' as following (storage_version '{STORAGE}')"
    with duckdb.connect() as con:
        # in one go: else each of hundreds of statements is synced to disk
        con.execute(f"{attach}; use following; begin")
        catalog.run_statements(con, text, models)
        con.execute(text.partition(COMMENTS)[2])
        con.execute("commit; use memory; detach following")
        # only a file that was closed tells the texts of its views as later readers see them
        con.execute(f"{attach}; use following")
        own = con.execute(_objects("following")).fetchall()
        names = ", ".join(f"'{name}': '{digest}'" for _, name, digest in own)
        con.execute(f"create macro {OWN}() as map {{{names}}}")
        con.execute("use memory; detach following")
    replace(making, path)


def _objects(database: str) -> str:
    """All that a database holds: kind, name, hash of its text (null for what the catalog never
    makes).
    """
    return f"""
        select 'view', view_name, md5(sql) from duckdb_views()
        where database_name = '{database}' and not internal
        union all
        select 'macro', function_name, md5(coalesce(macro_definition, '') || parameters::varchar)
        from duckdb_functions()
        where database_name = '{database}' and not internal and function_name <> '{OWN}'
        union all
        select 'table', table_name, null from duckdb_tables() where database_name = '{database}' and
        not internal
        union all
        select 'sequence', sequence_name, null from duckdb_sequences() where database_name =
        '{database}'
        union all
        select 'type', type_name, null from duckdb_types() where database_name = '{database}' and
        not internal
        union all
        select 'schema', schema_name, null from duckdb_schemas()
        where database_name = '{database}' and not internal and schema_name <> 'main'
    """


def _swap(following: Path, db: Path) -> str:
    """Put the new catalog in the old one's place, unless a read-write shell holds that; returns
    what happened.
    """
    kept = ""
    if db.exists():
        try:
            with duckdb.connect(str(db), read_only=True) as old:
                foreign = _foreign(old)
        except duckdb.Error as error:
            if "lock" not in str(error).lower() and "different configuration" not in str(error):
                foreign = ["something that cannot be read"]
            else:
                return _waiting(db, str(error))
        if foreign:
            yours = ", ".join(foreign[:3])
            kept = f"; the old one, which holds {yours} of yours, is kept: {_keep(db)}"
    try:
        _wal(db).unlink(missing_ok=True)
        replace(following, db)
    except PermissionError as error:
        return _waiting(db, str(error))
    return f"{db.name} has new views{kept}"


def _foreign(old: duckdb.DuckDBPyConnection) -> list[str]:
    """What an old lake.db holds that no build wrote: a user's tables, views, macros."""
    database = old.execute("select current_database()").fetchone()[0]
    try:
        own = dict(
            old.execute(f"select unnest(map_entries({OWN}()), recursive := true)").fetchall()
        )
    except duckdb.Error:
        own = {}
    found = old.execute(_objects(database)).fetchall()
    return [
        f"{kind} {name}"
        for kind, name, digest in found
        if digest is None or own.get(name) != digest
    ]


def _keep(db: Path) -> str:
    """Give a lake.db with the user's own objects a second name; returns how to attach it.

    It keeps its own name too, so that there is a lake.db at every moment, until the new one takes
    that; its write-ahead log goes first, as neither is worth anything without the other.
    """
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = db.with_name(f"lake.{stamp}.db")
    while aside.exists():
        aside = aside.with_name(f"{aside.stem}_.db")
    kept = [old for old in db.parent.glob("lake.*.db") if old.samefile(db)]
    if not kept:  # else by a build that was killed just then
        for old, name in ((_wal(db), _wal(aside)), (db, aside)):
            if old.exists():
                _name_twice(old, name)
    return f"attach '{(kept or [aside])[0]}' as mine"


def _name_twice(path: Path, name: Path) -> None:
    """A second name for a file, or a copy where the file system knows one name only."""
    try:
        os.link(path, name)
    except OSError:
        shutil.copy2(path, name)


def _wal(db: Path) -> Path:
    """A database's write-ahead log."""
    return db.with_name(f"{db.name}.wal")


def _waiting(db: Path, error: str) -> str:
    holder = (
        error.split("Conflicting lock is held in ")[-1].split(". See")[0]
        if "held in" in error
        else "another program"
    )
    return (
        f"{db.name} is open read-write in {holder}: the new views wait in lake.next.db and move in "
        "at the first build after it is closed (open it with `duckdb -readonly lake.db`, and "
        "nothing ever waits)"
    )
