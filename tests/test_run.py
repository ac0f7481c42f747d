"""`lake run` as a process: what it does, what its heartbeat says, how it ends and how it heals."""

import hashlib
import json
import os
import signal
import time
from datetime import datetime
from pathlib import Path

import duckdb
import lakes
import pytest
import runs
import wire
from raw_lines import DAY_US
from test_run_jobs import ENDLESS, own_sql

from replay.market import Market
from replay.server import Exchange
from runner.config import load
from runner.health.record import record
from runner.lock import hold, is_held
from runner.run import run as run_module
from runner.run.supervise import Supervisor

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
pytestmark = POSIX
FAST = 60.0


@pytest.fixture
def start():
    with runs.starting() as function:
        yield function


def rows_of(folder: Path, name: str, base: str = "data") -> list[dict]:
    """The raw lines of a symbol, or of the sessions."""
    parts = sorted((folder / base / "raw/binance" / name).glob("*/part_*"))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def micros(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6)


def test_every_field_of_the_heartbeat_is_what_happened(tmp_path, start):
    """A replay at 60×, whose connection is lost once, and builds every two of its minutes."""
    exchange = runs.market(FAST, faults=["drop=at:150s"])
    with runs.beside(exchange):
        folder = runs.lake_of(tmp_path / "lake", exchange)
        process = start(folder, "--transform-interval-min", "2")

        def is_told() -> bool:
            found = runs.beat(folder)
            return bool(found) and (
                found["transformer"]["runs"] >= 2
                and found["figures"]["runs"] >= 2
                and found["collector"]["reconnects"] == 1
                and (found["files"]["parquet_1s_rows_today"] or 0) > 0
            )

        runs.until(process, is_told)
        live = runs.beat(folder)
        output = runs.stopped(process, folder, signal.SIGTERM)
    last = runs.beat(folder)
    check_live(live, process.pid)
    check_last(folder, last)
    assert "transformer: resample_interval_sec 1" in output
    assert "schedule_minutes 2 (--transform-interval-min)" in output
    assert (folder / "data/logs/run.log").read_text().count("stopping: SIGTERM") == 1
    page = (folder / "data/reports/health.md").read_text(encoding="utf-8")
    assert page.startswith("# Health: STOPPED\n\n`lake run` has ended: SIGTERM.\n")
    assert lakes.run(folder, "status").exit_code == 3
    assert f"Transform cycles run: {last['transformer']['runs']}" in output


def check_live(beat: dict, pid: int) -> None:
    """A heartbeat while all goes on."""
    assert (beat["mode"], beat["source"], beat["pid"]) == ("PRODUCTION", "replay", pid)
    assert beat["collector"]["status"] == "running"
    built = beat["transformer"]
    assert built["status"] in ("idle", "running") and built["last_error"] is None
    # a run that is late, or at work, was due before it began
    due_us, begun_us = micros(built["next_run"]), micros(built["last_run_start"])
    assert built["status"] == "running" or due_us >= begun_us
    assert beat["macro_minute"]["status"] == beat["derivatives"]["status"] == "off"
    assert 0 <= time.time() - micros(beat["ts_utc"]) / 1e6 < 60
    assert beat["disk"]["free_bytes"] > 0


def check_last(folder: Path, beat: dict) -> None:
    """The last heartbeat against what lies on the disk."""
    events = rows_of(folder, "_sessions")
    connected = sum(line["event"] == "connected" for line in events)
    collector = beat["collector"]
    assert (collector["status"], collector["reconnects"]) == ("stopped", connected - 1)
    assert (collector["rejected"], collector["dropped"], collector["restarts"]) == (0, 0, 0)
    offsets = [line["offset"] for line in events if line["event"] == "clock"]
    assert collector["clock_offset_ms"] == offsets[-1] / 1000
    stop_us = next(line["ts_recv"] for line in events if line["event"] == "stop")
    for symbol, seen in collector["symbols"].items():
        newest_us = max(line["ts_recv"] for line in rows_of(folder, symbol))
        assert newest_us <= micros(seen) <= stop_us  # klines are seen and not kept
    assert collector["last_seen_ts"] == max(collector["symbols"].values())
    assert 0 < collector["last_latency_p50_ms"] <= collector["last_latency_p95_ms"] < 1000
    parts = list((folder / "data/raw/binance").glob("[!_]*/*/part_*.jsonl"))
    assert 0 < beat["files"]["raw_count_today"] <= len(parts)
    [(bars,)] = lakes.ask(folder, "select count(*) from bars_1s")
    assert 0 < beat["files"]["parquet_1s_rows_today"] <= bars
    built = beat["transformer"]
    assert built["status"] == "stopped" and built["last_run_files_written"] > 0
    assert micros(built["last_run_start"]) <= micros(built["last_run_end"])


def hashes(folder: Path) -> dict[str, str]:
    """All files below a folder, by what they hold."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_test_run_does_all_of_it_in_its_own_tree(tmp_path, start):
    with runs.beside(runs.market(FAST)) as exchange:
        macro = f'{{tickers: [SPY], url: "{exchange.rest_url}"}}'
        folder = runs.lake_of(tmp_path / "lake", exchange, macro_minute=macro)
        for name, lines in lakes.two_days(["SOLUSDT"]).items():
            lakes.put(folder, name, lines)
        lakes.bring(folder)
        before = hashes(folder / "data") | {"": hashes(folder)["lake.db"]}
        flags = ("--macro-interval-min", "60", "--macro-runtime-lookback-days", "2")
        process = start(folder, "--testing", *flags)

        def is_done() -> bool:
            found = runs.beat(folder, "data-test")
            return bool(found and found["transformer"]["runs"] and found["macro_minute"]["runs"])

        runs.until(process, is_done)
        output = runs.stopped(process, folder, signal.SIGINT, "data-test")
    assert hashes(folder / "data") | {"": hashes(folder)["lake.db"]} == before
    base = folder / "data-test"
    # flags > testing > config, and every line says where a value comes from
    assert "MODE: TEST, lake " in output and "schedule_minutes 2 (testing)" in output
    assert "runtime_lookback_days 2 (--macro-runtime-lookback-days)" in output
    head, *lines = output.splitlines()[-6:]
    assert head.startswith(f"MODE: TEST, summary of {base}: SIGINT")
    told = dict(line.split(": ", 1) for line in lines)
    assert list(told) == [
        *("Duration", "Transform cycles run", "Macro fetches", "Files written", "Warnings")
    ]
    beat = runs.beat(folder, "data-test")
    assert int(told["Transform cycles run"]) == beat["transformer"]["runs"] >= 1
    assert told["Macro fetches"] == "1" and int(told["Duration"].split()[0].replace(",", "")) > 120
    raw = len(list(base.glob("raw/**/part_*.jsonl")))
    assert f"({raw} raw, " in told["Files written"]
    assert (beat["mode"], beat["reason"]) == ("TEST", "`lake run` has ended: SIGINT")
    assert "MODE: TEST" in (base / "reports/health.md").read_text(encoding="utf-8")
    logs = {path.name for path in (base / "logs/test").glob("*.log")}
    assert {"run.log", "collector.log", "transformer.log"} <= logs
    with duckdb.connect(str(base / "lake.db"), read_only=True) as con:
        [(bars,)] = con.execute("select count(*) from bars_1s").fetchall()
    assert bars > 0


def never(exchange, folder: Path, process) -> bool:
    """The collector has begun, and nothing has come."""
    return runs.beat(folder).get("collector", {}).get("status") == "connecting"


def building(exchange, folder: Path, process) -> bool:
    """A build runs that has published bars and is at what never ends."""
    bars = list((folder / "data/parquet").glob("binance/*/*/*/*/*.parquet"))
    return bool(bars) and runs.beat(folder)["transformer"]["status"] == "running"


def sealing(exchange, folder: Path, process) -> bool:
    return (folder / "data/work/run/compact.txt").exists()


def fetching(exchange, folder: Path, process) -> bool:
    return (folder / "data/work/run/macro_minute.txt").exists()


@pytest.mark.parametrize(
    ("state", "number"),
    [
        (building, signal.SIGINT),
        pytest.param(sealing, signal.SIGTERM, marks=pytest.mark.soak),
    ],
)
def test_it_is_down_within_10_s_while_it_works(tmp_path, state, number, start):
    with runs.beside(runs.market(FAST)) as exchange:
        folder = runs.lake_of(tmp_path / "lake", exchange)
        if state is building:
            own_sql(folder, "endless.sql", ENDLESS)
        else:
            earlier(folder)
        process = start(folder)
        runs.until(process, lambda: state(exchange, folder, process))
        runs.stopped(process, folder, number)
    (folder / "sql/bars/endless.sql").unlink(missing_ok=True)
    lakes.bring(folder)


def earlier(folder: Path) -> None:
    """Raw of a replay of the day before, not built and not sealed."""
    for name, lines in lakes.two_days(["SOLUSDT"]).items():
        times = ("ts_recv", "ts_event", "event_time")
        moved = [
            {
                key: value - 2 * DAY_US if key in times and value else value
                for key, value in line.items()
            }
            for line in lines
        ]
        marked = [
            line | {"mode": "replay"} if line.get("event") == "start" else line for line in moved
        ]
        lakes.put(folder, name, marked)


LONGER = ("fetching", "connecting")


@pytest.mark.parametrize(
    "state", ["stalled", *(pytest.param(one, marks=pytest.mark.soak) for one in LONGER)]
)
def test_it_is_down_within_10_s_while_it_waits_for_others(tmp_path, state, start):
    async def silent(socket, number):
        if state != "connecting":
            await socket.wait_closed()

    with runs.beside(wire.Wire(silent)) as exchange, runs.nobody() as url:
        if state == "connecting":
            exchange.ws_url = "ws://127.0.0.1:9"
        macro = f'{{tickers: [SPY], url: "{url}"}}' if state == "fetching" else "{tickers: []}"
        folder = runs.lake_of(tmp_path / "lake", exchange, macro_minute=macro)
        (folder / "config.yml").write_text(
            (folder / "config.yml").read_text().replace(", XRPUSDT", "")
        )
        is_there = fetching if state == "fetching" else never
        process = start(folder)
        runs.until(process, lambda: is_there(exchange, folder, process))
        time.sleep(1.0)  # into the middle of it
        runs.stopped(process, folder, signal.SIGTERM)
    beat = runs.beat(folder)
    assert beat["collector"]["last_seen_ts"] is None and beat["collector"]["status"] == "stopped"


def test_killed_with_all_its_children_or_without_the_next_run_heals_by_itself(tmp_path, start):
    with runs.beside(runs.market(FAST)) as exchange:
        folder = runs.lake_of(tmp_path / "lake", exchange)
        for round_number in range(2):
            process = start(folder, "--transform-interval-min", "1")
            runs.until(process, lambda process=process: runs.is_receiving(folder, process))
            children = []
            if round_number:
                built = folder / "data/work/run/transformer.txt"
                runs.until(process, lambda built=built: built.exists())
                children.append(runs.collector_pid(folder))
            process.kill()
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            process.communicate()
            if not round_number:
                found = lakes.run(folder, "status")
                assert found.exit_code == 3 and "`lake run` is dead" in found.output
        acknowledged = {(r["symbol"], r["trade_id"]) for r in trades(folder)}
        process = start(folder, "--transform-interval-min", "1")
        runs.until(process, lambda: runs.is_receiving(folder, process))
        runs.until(process, lambda: runs.beat(folder)["transformer"]["runs"])
        runs.stopped(process, folder, signal.SIGTERM)
    lakes.bring(folder)
    kept = set(lakes.ask(folder, "select symbol, trade_id from trades"))
    assert acknowledged <= kept and acknowledged


def trades(folder: Path) -> list[dict]:
    """The trades in whole raw lines, of open parts too."""
    found = []
    for part in (folder / "data/raw/binance").glob("[!_]*/*/part_*"):
        if part.suffix == ".torn":
            continue
        for line in part.read_bytes().split(b"\n")[:-1]:
            row = json.loads(line)
            found += [row] if row["stream"] == "trade" else []
    return found


def test_a_second_run_and_a_broken_job_do_no_harm(tmp_path, start):
    """Nor does a second collector; a build by hand and a read-write shell get along with it."""
    with runs.beside(runs.market(FAST)) as exchange:
        folder = runs.lake_of(tmp_path / "lake", exchange)
        bad = own_sql(folder, "bad.sql", "-- Bad.\n-- grain: exchange\nselect no from nowhere;;\n")
        process = start(folder, "--transform-interval-min", "5")
        runs.until(process, lambda: runs.beat(folder))
        second = start(folder)
        said, _ = second.communicate(timeout=60)
        assert second.returncode == 1 and "Traceback" not in said
        assert f"Another process is already running this lake (process {process.pid} since" in said
        runs.until(process, lambda: runs.beat(folder).get("transformer", {}).get("last_error"))
        beat = runs.beat(folder)
        assert beat["status"] == "DEGRADED" and "bad.sql" in beat["transformer"]["last_error"]
        assert beat["collector"]["status"] == "running"
        assert lakes.run(folder, "status").exit_code == 3
        collector = lakes.run(folder, "collect")
        assert collector.exit_code == 1 and "already collecting into this lake" in collector.output
        bad.unlink()
        by_hand = lakes.process("build", "--config", str(folder))
        said = by_hand.communicate(timeout=120)
        assert by_hand.returncode == 0, said
        with duckdb.connect(str(folder / "lake.db")) as shell:
            shell.execute("create table mine as select 1 as one")
            runs.until(process, lambda: runs.beat(folder)["transformer"]["runs"])
        runs.until(process, lambda: runs.beat(folder)["status"] == "HEALTHY")
        assert lakes.run(folder, "status").exit_code == 0
        assert runs.beat(folder)["collector"]["restarts"] == 0
        runs.stopped(process, folder, signal.SIGTERM)


def test_it_refuses_a_lake_into_which_another_process_collects(tmp_path, monkeypatch):
    folder = lakes.make(tmp_path / "lake")
    monkeypatch.setattr(run_module, "LEFT_S", 0.1)
    with hold(folder / "data" / "collector.lock", "collecting into this lake"):
        result = lakes.run(folder, "run")
    assert result.exit_code == 1
    assert f"already collecting into this lake (process {os.getpid()} since" in result.output
    assert is_held(folder / "data" / "run.lock") is None


def test_a_disk_that_is_nearly_full_stops_what_builds_and_nothing_else(tmp_path):
    folder = lakes.make(tmp_path / "lake", "health: {min_free_gb: 1000000}\n")
    (folder / "data").mkdir()
    supervisor = Supervisor(load(folder))
    waiting = {name for name, job in supervisor.jobs.items() if not supervisor._may_start(job)}
    fetching = {"macro_minute", "derivatives", "repair"}
    assert waiting == {"transformer", "compact"} | fetching
    beat = record(supervisor)
    assert beat.transformer.status == beat.macro_minute.status == "paused"
    assert any("nothing is built, so that raw lines find room" in one for one in beat.others)
    building = supervisor.jobs["transformer"]
    building.start()
    until = time.monotonic() + 30
    while building.is_running and time.monotonic() < until:
        supervisor._keep_room()
        building.look()
    assert not building.is_running and building.error is None and building.failures == 0


@pytest.mark.parametrize(
    ("seconds", "options", "why"),
    [(200.0, (), "the recording is over"), (9e4, ("--duration", "200"), "200 s are over")],
)
def test_it_ends_by_itself_when_it_is_over(tmp_path, seconds, options, why, start):
    source = Market(("SOLUSDT", "XRPUSDT"), 7, runs.START, seconds, busy=0.2)
    with runs.beside(Exchange(source, speed=FAST)) as exchange:
        process = start(runs.lake_of(tmp_path / "lake", exchange), *options)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert runs.beat(tmp_path / "lake")["reason"] == f"`lake run` has ended: {why}"
    assert f"{tmp_path / 'lake' / 'data'}: {why}" in output
    runs.assert_down(tmp_path / "lake" / "data")
