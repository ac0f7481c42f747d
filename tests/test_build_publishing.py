"""Readers see the old file or the new one; what a killed build leaves, the next one mends."""

import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

import duckdb
import lakes
import pytest
from lakes import DAY, MIDNIGHT, trade
from raw_lines import SECOND_US

from runner.lock import hold

READS = 300
KILLS = 4


@pytest.fixture
def folder(two_days, tmp_path) -> Path:
    """A built lake of one's own."""
    folder = shutil.copytree(two_days, tmp_path / "lake")
    lakes.bring(folder)
    return folder


def test_readers_see_no_wrong_count_while_a_build_loop_publishes(folder):
    """Each build adds one trade in a second of its own: a count is right if ids and rows agree."""
    query = """
        select count(*), count(distinct window_start), sum(trade_count), max(last_trade_id)
        from bars_1s where symbol = 'SOLUSDT'"""
    ids = """
        select count(*), count(distinct trade_id), max(trade_id)
        from trades where symbol = 'SOLUSDT'"""
    wrong, failed, reads, stop = [], [], [0], threading.Event()

    def asked(con: duckdb.DuckDBPyConnection, query: str) -> tuple:
        """A row. The engine opens a file once for its footer and again for its rows: where builds
        cannot tell, a swap just between the two is an error, and none the next time."""
        try:
            return con.execute(query).fetchone()
        except duckdb.Error as error:
            failed.append(str(error))
            return con.execute(query).fetchone()

    def read() -> None:
        with lakes.lake.connect(folder) as con:
            while not stop.is_set() or reads[0] < READS:
                rows, seconds, trades, newest = asked(con, query)
                held, distinct, last = asked(con, ids)
                if rows != seconds or trades != newest or held != distinct or held != last:
                    wrong.append((rows, seconds, trades, newest, held, distinct, last))
                reads[0] += 2

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(95, 101):
            moment = MIDNIGHT + (20 + number) * SECOND_US
            lakes.put(folder, "SOLUSDT", [trade("SOLUSDT", number, moment)])
            lakes.bring(folder)
            answer = lakes.shell(folder, "select max(last_trade_id) from bars_1s")
            assert answer == f"{number}\n"
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert wrong == [] and reads[0] >= READS
    assert len(failed) <= (0 if lakes.lends(folder) else 2), failed


def end(process: subprocess.Popen, after_s: float) -> int:
    """Let a process run, kill it after some seconds; returns how it ended."""
    try:
        process.communicate(timeout=after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    return process.returncode


def test_a_build_killed_at_any_moment_is_mended_by_the_next(two_days, tmp_path):
    folder = lakes.make(tmp_path / "lake")
    shutil.copytree(two_days / "data" / "raw", folder / "data" / "raw")
    chance, started = random.Random(4), time.monotonic()
    assert end(lakes.process("build", "--config", str(folder)), 60) == 0
    whole_s = time.monotonic() - started
    for number in range(KILLS):
        for top in lakes.SHOWN if number % 2 else ("work",):
            shutil.rmtree(folder / "data" / top, ignore_errors=True)
        end(
            lakes.process("build", "--config", str(folder)), whole_s * (0.3 + 0.7 * chance.random())
        )
        for _, path in lakes.files(folder):
            assert duckdb.execute("from parquet_file_metadata($1)", [str(path)]).fetchall()
    lakes.bring(folder)
    assert lakes.published(folder) == lakes.published(two_days)
    assert lakes.dry(folder) == []


def test_what_a_killed_build_left_in_the_workshop_matches_no_glob_and_goes_away(folder):
    leftover = folder / "data" / "work" / "publishing"
    leftover.mkdir(parents=True, exist_ok=True)
    (leftover / "0123.parquet").write_bytes(b"half a file")
    (leftover / "4567").mkdir()
    (leftover / "4567" / "trades.parquet").write_bytes(b"half a file")
    spilled = folder / "data" / "work" / "spill" / "duckdb_temp_1_0_storage_DEFAULT-0.tmp"
    spilled.write_bytes(b"rows")
    assert lakes.ask(folder, "select count(*) from trades") == [(188,)]
    assert lakes.bring(folder).is_empty
    assert list(leftover.iterdir()) == [] and not spilled.exists()


def test_nothing_but_published_files_lies_in_their_folders(two_days):
    for name, path in lakes.files(two_days):
        parts = name.split("/")
        day = "-".join(part.partition("=")[2] for part in parts[-4:-1])
        assert path.name == f"{day}.parquet"
    one_a_day = [name.rsplit("/", 1)[0] for name, _ in lakes.files(two_days)]
    assert len(one_a_day) == len(set(one_a_day))


def test_published_files_hold_only_encodings_that_every_reader_of_parquet_knows(two_days):
    paths = [str(path) for _, path in lakes.files(two_days)]
    query = "select distinct unnest(string_split(encodings, ', ')) from parquet_metadata($1)"
    used = {encoding for (encoding,) in duckdb.execute(query, [paths]).fetchall()}
    assert used and used <= {"PLAIN", "PLAIN_DICTIONARY", "RLE", "RLE_DICTIONARY", "BIT_PACKED"}


def test_two_builds_at_once_both_succeed_and_publish_the_same(two_days, tmp_path):
    folder = lakes.make(tmp_path / "lake")
    shutil.copytree(two_days / "data" / "raw", folder / "data" / "raw")
    builds = [lakes.process("build", "--config", str(folder)) for _ in range(2)]
    told = [build.communicate(timeout=100) for build in builds]
    assert [build.returncode for build in builds] == [0, 0], told
    assert sum("nothing is stale" in output for output, _ in told) == 1
    assert lakes.published(folder) == lakes.published(two_days)


def test_a_build_that_finds_another_one_says_who_holds_the_lake(folder, monkeypatch):
    monkeypatch.setattr("runner.build.build.BUILD_WAIT_S", 0)
    lakes.put(folder, "SOLUSDT", [trade("SOLUSDT", 95, MIDNIGHT + 150 * SECOND_US)])
    with hold(folder / "data" / "build.lock", "building this lake"):
        result = lakes.run(folder, "build")
    assert result.exit_code == 1
    assert "process" in result.output and "already building this lake" in result.output


def test_a_day_has_one_file_that_counts_each_second_once(folder):
    shutil.rmtree(folder / "data" / "work")
    for _ in range(2):
        lakes.bring(folder, full_refresh=True)
    pattern = folder / "data" / "parquet" / "**" / "*.parquet"
    query = "select count(*), count(distinct (symbol, window_start)) from read_parquet($1)"
    rows, distinct = duckdb.execute(query, [str(pattern)]).fetchone()
    assert rows == distinct == 2 * (2 * 3600 + 120 + 114)
    assert len(list((folder / "data").glob(f"parquet/binance/SOLUSDT/**/{DAY}*"))) == 1
