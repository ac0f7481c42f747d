"""lake.db: views only, never in anybody's way, and nothing of the user's is lost with it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import lakes
import pytest
from lakes import DUCKDB, MIDNIGHT, trade
from raw_lines import SECOND_US
from test_build_editing import override


@pytest.fixture
def folder(two_days, tmp_path) -> Path:
    """A built lake of one's own."""
    folder = shutil.copytree(two_days, tmp_path / "lake")
    lakes.bring(folder)
    return folder


class Shell:
    """An open duckdb shell on a lake.db; it answers each statement before it takes the next."""

    def __init__(self, db: Path, *options: str):
        self.process = subprocess.Popen(
            [str(DUCKDB), *options, "-csv", "-noheader", str(db)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def ask(self, statement: str) -> str:
        self.process.stdin.write(f"{statement};\nselect 'end of answer';\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if "end of answer" in line:
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell has ended: {lines}")


@contextmanager
def shell(folder: Path, *options: str) -> Iterator[Shell]:
    opened = Shell(folder / "lake.db", *options)
    try:
        yield opened
    finally:
        with suppress(BrokenPipeError):
            opened.process.stdin.write(".quit\n")
        opened.process.communicate(timeout=20)


def edit_a_view(folder: Path, number: int = 0) -> None:
    override(folder, "sql/views/latest_price.sql", "is not null", f"> {number}")


def test_lake_db_holds_views_macros_and_comments_but_no_data(folder):
    kinds = (
        "select count(*) from duckdb_tables() where database_name = 'lake' union all "
        "select count(*) from duckdb_views() where database_name = 'lake' and not internal "
        "and comment is null"
    )
    assert lakes.shell(folder, kinds) == "0\n0\n"
    assert (folder / "lake.db").stat().st_size < 2**21
    assert not list(folder.glob("lake.db.wal")) and not list(folder.glob("lake.next.db*"))


def test_a_lake_made_by_this_engine_opens_in_the_shell_of_the_version_before(folder):
    version = subprocess.run([str(DUCKDB), "-version"], capture_output=True, text=True).stdout
    assert version.startswith("v1.5")
    assert lakes.shell(folder, "select count(*) from bars_1m").strip() == str(
        lakes.ask(folder, "select count(*) from bars_1m")[0][0]
    )


def test_new_bars_appear_in_an_open_shell_and_an_open_connection(folder):
    query = "select max(last_trade_id) from bars_1s where symbol = 'SOLUSDT'"
    with shell(folder, "-readonly") as opened, lakes.lake.connect(folder) as con:
        assert opened.ask(query) == "94\n" and con.execute(query).fetchall() == [(94,)]
        lakes.put(folder, "SOLUSDT", [trade("SOLUSDT", 95, MIDNIGHT + 150 * SECOND_US)])
        lakes.bring(folder)
        assert opened.ask(query) == "95\n" and con.execute(query).fetchall() == [(95,)]


def test_a_readonly_shell_holds_no_build_up_and_sees_edited_views_once_opened_anew(folder):
    with shell(folder, "-readonly") as opened:
        assert opened.ask("select count(*) from latest_price") == "2\n"
        edit_a_view(folder, 10**9)
        report = lakes.bring(folder)
        assert "has new views" in report.catalog
        assert opened.ask("select count(*) from latest_price") == "2\n"
        assert lakes.shell(folder, "select count(*) from latest_price") == "0\n"


def test_a_readwrite_shell_with_a_table_of_its_own_blocks_nothing_and_loses_nothing(folder):
    with shell(folder) as opened:
        opened.ask("create table mine as select 42 as answer")
        edit_a_view(folder, 10**9)
        lakes.put(folder, "SOLUSDT", [trade("SOLUSDT", 95, MIDNIGHT + 150 * SECOND_US)])
        result = lakes.run(folder, "build")
        assert result.exit_code == 0, result.output
        assert "lake.next.db" in result.output and "close" in result.output
        assert (folder / "lake.next.db").exists()
        assert opened.ask("select answer from mine") == "42\n"
        assert opened.ask("select max(last_trade_id) from bars_1s") == "95\n"
        opened.ask("insert into mine values (43)")
    result = lakes.run(folder, "build")
    assert result.exit_code == 0 and "mine" in result.output and "attach" in result.output
    assert not (folder / "lake.next.db").exists()
    assert lakes.shell(folder, "select count(*) from latest_price") == "0\n"
    [kept] = folder.glob("lake.2*.db")
    done = subprocess.run(
        [str(DUCKDB), "-csv", "-noheader", str(kept), "-c", "from mine order by all"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "42\n43\n"
    assert lakes.run(folder, "build").output.startswith("nothing is stale")


def test_while_the_new_catalog_waits_every_build_says_so_and_publishes(folder):
    with shell(folder) as opened:
        opened.ask("create table mine as select 1 as one")
        edit_a_view(folder)
        for number in (95, 96):
            row = trade("SOLUSDT", number, MIDNIGHT + (number + 60) * SECOND_US)
            lakes.put(folder, "SOLUSDT", [row])
            result = lakes.run(folder, "build")
            assert result.exit_code == 0 and "lake.next.db" in result.output
            assert opened.ask("select max(last_trade_id) from bars_1s") == f"{number}\n"


def test_a_view_and_a_macro_of_the_users_own_are_kept_too(folder):
    with shell(folder) as opened:
        opened.ask("create view my_view as select 1 as one")
        opened.ask("create macro my_macro(x) as x + 1")
    edit_a_view(folder)
    assert "my_view" in lakes.bring(folder).catalog
    assert len(list(folder.glob("lake.2*.db"))) == 1


def test_a_lake_db_without_anything_of_the_users_is_not_kept(folder):
    with shell(folder) as opened:
        opened.ask("select 1")
    edit_a_view(folder)
    lakes.bring(folder)
    assert [path.name for path in folder.glob("lake*.db")] == ["lake.db"]


def test_a_log_that_a_crashed_shell_left_behind_does_not_break_the_new_lake_db(folder):
    with shell(folder) as opened:
        opened.ask("create table mine as select 42 as answer")
        opened.process.kill()
    assert (folder / "lake.db.wal").exists()
    edit_a_view(folder, 10**9)
    lakes.bring(folder)
    assert lakes.shell(folder, "select count(*) from latest_price") == "0\n"
    assert not (folder / "lake.db.wal").exists()
    [kept] = folder.glob("lake.2*.db")
    query = [str(DUCKDB), "-csv", "-noheader", str(kept), "-c", "from mine"]
    assert subprocess.run(query, capture_output=True, text=True).stdout == "42\n"


@pytest.mark.parametrize("content", [b"", b"this is no database"], ids=["empty", "garbage"])
def test_a_lake_db_that_cannot_be_read_is_put_aside_and_made_anew(folder, content):
    (folder / "lake.db").write_bytes(content)
    edit_a_view(folder, 10**9)
    lakes.bring(folder)
    assert lakes.shell(folder, "select count(*) from latest_price") == "0\n"


def test_a_deleted_lake_db_is_made_anew(folder):
    (folder / "lake.db").unlink()
    assert lakes.dry(folder) == ["catalog  lake.db: it is not there"]
    lakes.bring(folder)
    assert int(lakes.shell(folder, "select count(*) from trades")) == 188


def test_a_moved_lake_answers_from_its_new_place(folder, tmp_path):
    query = "select count(*) from bars_1s"
    expected = lakes.ask(folder, query)
    moved = folder.rename(tmp_path / "moved, it's here")
    assert lakes.ask(moved, query) == expected
    before = lakes.stamps(moved)
    lakes.bring(moved)
    assert lakes.stamps(moved) == before
    assert lakes.shell(moved, query) == f"{expected[0][0]}\n"


def test_connect_never_opens_lake_db(folder):
    with shell(folder) as opened:
        opened.ask("create table mine as select 1 as one")
        assert lakes.ask(folder, "select count(*) from trades") == [(188,)]
    (folder / "lake.db").unlink()
    assert lakes.ask(folder, "select count(*) from trades") == [(188,)]
    assert not (folder / "lake.db").exists()


def test_connect_works_before_the_first_build_and_shows_empty_views(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    with pytest.warns(UserWarning, match="nothing was built"):
        assert lakes.ask(folder, "select count(*) from bars_1d") == [(0,)]


def test_times_are_utc_in_connections_on_any_machine(folder):
    with lakes.lake.connect(str(folder / "config.yml")) as con:
        assert con.execute("select current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_views_hold_absolute_paths_so_that_the_shell_may_be_anywhere(folder, tmp_path):
    done = subprocess.run(
        [str(DUCKDB), "-readonly", "-csv", "-noheader", str(folder / "lake.db")],
        input="select count(*) from trades;\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ},
    )
    assert done.stdout == "188\n"
