"""`lake status`: how the lake is, whoever runs, also when nobody does."""

import json
import os

import lakes
import msgspec
import pytest
from test_health import CONFIG, record, told

from ingest import status
from ingest.status import machine_us
from runner.config import load
from runner.health import health, report
from runner.health.health import DEGRADED, HEALTHY, STOPPED, iso
from runner.lock import hold


@pytest.fixture
def folder(tmp_path):
    return lakes.make(tmp_path / "lake", CONFIG)


def asked(folder, *options: str) -> tuple[int, str]:
    """Exit code and text of `lake status`, its lines joined."""
    result = lakes.run(folder, "status", *options)
    return result.exit_code, " ".join(result.output.split())


def beat(folder, verdict: str = HEALTHY, age_s: int = 0, **own) -> health.Health:
    """The heartbeat that this process would have written some seconds ago."""
    lake = load(folder)
    found = record(lake)
    moment = iso((machine_us() // 1_000_000 - age_s) * 1_000_000)
    own = {"ts_utc": moment, "status": verdict, "reason": "x", "pid": os.getpid()} | own
    found = msgspec.structs.replace(found, **own)
    report.write(lake, found)
    return found


def test_where_nothing_was_ever_collected_it_says_so_and_how_to_begin(folder):
    code, text = asked(folder)
    assert code == 3 and text.startswith("# Health: STOPPED Nothing was ever collected in")
    assert "`lake run`" in text and not (folder / "data").exists()


def test_of_a_run_that_goes_on_it_shows_the_heartbeat(folder):
    with hold(folder / "data" / "run.lock", "running this lake"):
        found = beat(folder, others=["y"])
        assert asked(folder)[0] == 0
        shown = lakes.run(folder, "status").output
        assert shown == (folder / "data/reports/health.md").read_text(encoding="utf-8")
        result = lakes.run(folder, "status", "--json")
        assert json.loads(result.output) == msgspec.to_builtins(found)
        beat(folder, DEGRADED)
        code, text = asked(folder)
        assert code == 3 and text.startswith("# Health: DEGRADED X.")


def test_a_run_that_hangs_is_an_error_since_its_last_heartbeat(folder):
    with hold(folder / "data" / "run.lock", "running this lake"):
        found = beat(folder, age_s=121)
        code, text = asked(folder)
    assert code == 3 and text.startswith("# Health: ERROR")
    assert f"`lake run` does not answer since {found.ts_utc}, for 12" in text


def test_a_run_that_was_killed_is_an_error_since_its_last_heartbeat(folder):
    found = beat(folder, DEGRADED, reason="two symbols silent")
    code, text = asked(folder)
    assert code == 3 and text.startswith("# Health: ERROR `lake run` is dead")
    assert found.ts_utc in text and "it last said: two symbols silent." in text


def test_a_run_that_was_stopped_says_how_and_when(folder):
    found = beat(folder, STOPPED, reason="`lake run` has ended: SIGTERM")
    code, text = asked(folder)
    assert code == 3 and text.startswith("# Health: STOPPED `lake run` has ended: SIGTERM.")
    assert f"As of: {found.ts_utc}" in text


def test_a_run_that_has_just_begun_is_not_taken_for_the_one_before(folder):
    beat(folder, STOPPED, pid=1)
    with hold(folder / "data" / "run.lock", "running this lake"):
        code, text = asked(folder)
    assert code == 3 and text.startswith("# Health: DEGRADED `lake run` has just begun (process")


def test_a_collector_by_itself_is_judged_by_what_arrives(folder):
    base = load(folder).base
    with hold(base / "collector.lock", "collecting into this lake"):
        status.write(base, told())
        code, text = asked(folder)
        assert code == 0 and text.startswith("# Health: HEALTHY")
        assert "only `lake run` builds and seals" in text
        old_us = machine_us() - 121_000_000
        silent = {name: status.Symbol(old_us, 1, 1) for name in ("SOLUSDT", "XRPUSDT")}
        status.write(base, told(symbols=silent))
        code, text = asked(folder)
    assert code == 3 and text.startswith("# Health: ERROR Nothing arrives for 12")


def test_a_collector_that_has_ended_or_died_is_told_apart(folder):
    base = load(folder).base
    status.write(base, told(ended="SIGINT"))
    code, text = asked(folder)
    assert code == 3 and "Nothing runs; the last `lake collect` ended at" in text
    assert "(SIGINT)" in text
    status.write(base, told())
    assert "the last `lake collect` is dead since" in asked(folder)[1]


def test_a_test_lake_has_a_status_of_its_own(folder):
    beat(folder)
    code, text = asked(folder, "--testing")
    assert code == 3 and "MODE: TEST" in text and "Nothing was ever collected" in text


def test_a_long_error_is_a_wrapped_line_and_no_table_is_wider_than_the_terminal(folder):
    long = "https://an.example/with/a/long/path gave no usable answer " + "because of it " * 12
    found = beat(folder, DEGRADED, others=[f"repair fails: {long}"])
    moment = found.ts_utc
    for name in (*report.JOBS, "collector"):
        job = getattr(found, name)
        job.status, job.last_error = "waiting", long
        if name != "collector":
            job.runs, job.next_run, job.last_run_end = 1440, moment, moment
    page = report.markdown(load(folder), found)
    assert max(map(len, page.splitlines())) <= 80
    joined = " ".join(page.split())
    assert joined.count(f"- last error: {long.strip()}") == 3  # collector, macro, transformer
    assert joined.count(f", last error: {long.strip()}") == len(report.JOBS) - 2


def test_where_lake_run_never_ran_empty_tables_are_left_out(folder):
    page = lakes.run(folder, "status").output
    assert "|" not in page and "`lake run` has not run in this lake yet" in page
    status.write(load(folder).base, told(ended="SIGINT", trouble="cannot connect to wss://x: no"))
    page = lakes.run(folder, "status").output
    assert "## Collector" in page and "- last error: cannot connect to wss://x: no" in page
    assert "## Next Runs" not in page and "Not counted yet" not in page
