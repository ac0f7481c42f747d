"""A small lake with work for every step of a build, its old and its new answers, and how it may
look while builds of it are killed."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import lakes
from lakes import DAY, NOON, quote, trade
from raw_lines import SECOND_US

SYMBOL = "SOLUSDT"
OLD_VIEW = "-- The newest trade of a symbol.\n-- grain: symbol\nselect\n    symbol,\n"
OLD_VIEW += "    max(trade_id) as newest\nfrom trades\ngroup by symbol\n"
NEW_VIEW = OLD_VIEW.replace("max(trade_id)", "max(trade_id) + 1000000")
OPEN_US = NOON + 300 * SECOND_US
QUERIES = {
    "bars": "select day::varchar, count(*), sum(trade_count), max(last_trade_id), "
    "count(bid) from bars_1s group by day",
    "trades": "select day::varchar, count(*), count(distinct trade_id), max(trade_id) "
    "from trades group by day",
    "rejects": "select count(*), min(text) from rejects",
}
VIEW = "select newest from newest_trade"


class KilledLake:
    """A built lake to which raw, a cut-off run and another view came. `old`, `new`: file → hash
    before and after the build of these; restore() brings that moment back."""

    def __init__(self, tmp: Path) -> None:
        self.folder, self._saved = tmp / "lake", tmp / "saved"
        self.folder.mkdir()
        lakes.make(self.folder)
        _begin(self.folder)
        lakes.bring(self.folder)
        self.old, self._old_answers = lakes.published(self.folder), self.answers()
        _go_on(self.folder)
        shutil.copytree(self.folder, self._saved)
        lakes.bring(self.folder)
        self.new, self._new_answers = lakes.published(self.folder), self.answers()
        self._all = _everything(self.folder)

    def save(self) -> None:
        """Make this the moment that restore() brings back."""
        shutil.rmtree(self._saved)
        shutil.copytree(self.folder, self._saved)

    def put_table(self) -> None:
        """Go back, and leave a table in lake.db as a shell does that crashed: in its log only."""
        self.restore()
        shell = "con.execute('create table mine as select 42 as answer'); os._exit(0)"
        code = f"import duckdb, os, sys; con = duckdb.connect(sys.argv[1]); {shell}"
        subprocess.run([sys.executable, "-c", code, str(self.folder / "lake.db")], check=True)
        assert (self.folder / "lake.db.wal").exists()

    def tables(self) -> int:
        """In how many databases of this lake that table is, with its row."""
        found = 0
        for path in self.folder.glob("lake*.db"):
            with duckdb.connect(str(path), read_only=True) as con:
                if con.execute("from duckdb_tables() where table_name = 'mine'").fetchall():
                    found += con.execute("from mine").fetchall() == [(42,)]
        return found

    def newest_view(self) -> str:
        """Whether lake.db holds the old or the new view."""
        with duckdb.connect(str(self.folder / "lake.db"), read_only=True) as con:
            return "new" if con.execute(VIEW).fetchall()[0][0] > 1_000_000 else "old"

    def restore(self) -> None:
        """Back to the moment before the build; the same names and times, as caches know them."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._saved, self.folder)

    def answers(self) -> dict[str, list[tuple]]:
        """What lake.db says."""
        with duckdb.connect(str(self.folder / "lake.db"), read_only=True) as con:
            found = {name: con.execute(query).fetchall() for name, query in QUERIES.items()}
            return found | {"view": con.execute(VIEW).fetchall()}

    def check_between(self) -> None:
        """Every published file is the old or the new one, and every answer too."""
        now = lakes.published(self.folder)
        assert self.old.keys() <= now.keys() <= self.new.keys()
        wrong = [name for name in now if now[name] not in (self.old.get(name), self.new[name])]
        assert not wrong
        for name, rows in self.answers().items():
            known = [*self._old_answers[name], *self._new_answers[name]]
            if name == "view":
                known += [(newest % 1_000_000 + 1_000_000,) for (newest,) in known]
                known += [(newest % 1_000_000,) for (newest,) in known]
            assert set(rows) <= set(known), name
        seconds = "select count(*), count(distinct (symbol, window_start)) from read_parquet($1)"
        pattern = str(self.folder / "data/parquet/**/*.parquet")
        rows, distinct = duckdb.execute(seconds, [pattern]).fetchone()
        assert rows == distinct

    def check_healed(self) -> None:
        """All is as a build that was never killed leaves it: no byte differs, no file is left."""
        assert lakes.published(self.folder) == self.new
        assert self.answers() == self._new_answers
        left = lakes.changed(self._all, _everything(self.folder))
        assert not left, left


def _begin(folder: Path) -> None:
    view = folder / "sql" / "views" / "newest_trade.sql"
    view.parent.mkdir(parents=True)
    view.write_text(OLD_VIEW, encoding="utf-8")
    rows = [trade(SYMBOL, number, NOON + number * 900_000) for number in range(1, 60)]
    rows += [quote(SYMBOL, number, NOON + number * 800_000) for number in range(1, 60)]
    lakes.put(folder, SYMBOL, rows)
    lakes.part(folder, SYMBOL, NOON + 120 * SECOND_US, b"what is this\n")
    lakes.put(folder, "_sessions", lakes.sessions(NOON, NOON + 60 * SECOND_US, [SYMBOL]))


def _go_on(folder: Path) -> None:
    """More raw of the same hour, another unreadable line, a run that was cut off, another view."""
    (folder / "sql" / "views" / "newest_trade.sql").write_text(NEW_VIEW, encoding="utf-8")
    later = NOON + 180 * SECOND_US
    lakes.put(folder, SYMBOL, [trade(SYMBOL, n, later + n * 100_000) for n in range(60, 80)])
    lakes.part(folder, SYMBOL, later + 60 * SECOND_US, b"nor is this\n")
    cut_off = lakes.sessions(OPEN_US, OPEN_US + SECOND_US, [SYMBOL], conn=OPEN_US)[:3]
    lakes.put(folder, "_sessions", cut_off)
    rows = [trade(SYMBOL, n, OPEN_US + n * 1000, conn=OPEN_US) for n in range(80, 90)]
    lakes.put(folder, SYMBOL, rows)
    for name in ("_sessions", SYMBOL):
        sealed = max((folder / "data/raw/binance" / name / DAY).glob("part_*.jsonl"))
        with sealed.open("ab") as file:
            file.write(b'{"half a li')
        sealed.rename(sealed.with_name(f"{sealed.name}.open"))


def _everything(folder: Path) -> dict[str, str]:
    """Every file of a lake, with its content's hash where it is raw or the names of parts."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith("data/logs/"):
            is_raw = name.startswith("data/raw/")
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if is_raw else ""
    return found
