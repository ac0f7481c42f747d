"""Health: what a lake's record adds up to, its figures against a lake whose truth is known, and
files of which nobody reads half."""

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import lakes
import msgspec
import pytest
from lakes import DAY, NOON
from live_market import log_lines
from raw_lines import SECOND_US, session

from ingest import status
from ingest.status import Status, Symbol, machine_us
from runner.config import load
from runner.health import health, report
from runner.health.feed import Feed
from runner.health.figures import measured
from runner.health.health import DEGRADED, ERROR, HEALTHY
from runner.health.judge import Seen, collector_status, judged
from runner.run.clock import SourceClock
from runner.run.jobs import Job, Kind
from runner.run.supervise import Supervisor

WELL = Seen(is_running=True, told_s=1.0, up_s=500.0, silent_s=0.4, has_data=True, limit_s=60.0)
CONFIG = "exchanges: [{name: binance, symbols: [SOLUSDT, XRPUSDT]}]\n"


def told(**own) -> Status:
    """A collector that is well, as it tells itself, but for what `own` says."""
    now_us = machine_us()
    symbols = {name: Symbol(now_us, 10, 20) for name in ("SOLUSDT", "XRPUSDT")}
    usual = Status(
        **{"pid": os.getpid(), "mode": "live", "now_us": now_us, "written_us": now_us},
        **{"started_us": now_us - 500 * SECOND_US, "speed": None, "connections": 1},
        **{"reconnects": 2, "rejected": 3, "dropped": 4, "parts": 5, "warnings": 6},
        **{"refusing": False, "clock_offset_us": 1500, "symbols": symbols},
    )
    return msgspec.structs.replace(usual, **own)


def record(lake) -> health.Health:
    """The record of a lake that is well."""
    found = health.blank(lake, HEALTHY, "")
    found.collector.symbols = dict.fromkeys(("SOLUSDT", "XRPUSDT"), "2025-10-20T12:00:00Z")
    return found


@pytest.fixture
def lake(tmp_path):
    return load(lakes.make(tmp_path / "lake", CONFIG))


def test_a_lake_in_which_all_is_well_is_healthy(lake):
    verdict, reasons = judged(lake, record(lake), WELL)
    assert verdict == HEALTHY and reasons[0].startswith("data arrives from 2 symbols")


@pytest.mark.parametrize(
    ("flaw", "verdict", "word", "why"),
    [
        ({"silent_s": 121.0}, ERROR, "silent", "nothing arrives for 121 s"),
        ({"told_s": 20.0}, ERROR, "silent", "the collector does not answer for 20 s"),
        ({"is_running": False, "error": "no"}, ERROR, "error", "the collector is not running (no)"),
        ({"is_refused": True}, ERROR, "running", "the disk takes no raw lines"),
        ({"has_data": False}, DEGRADED, "connecting", "the collector is connecting since 500 s"),
        (
            {"has_data": False, "trouble": "cannot connect to wss://x: no"},
            *(DEGRADED, "connecting"),
            "the collector is connecting since 500 s: cannot connect to wss://x: no",
        ),
        (
            {"silent_s": 121.0, "trouble": "cannot connect to wss://x: no"},
            *(ERROR, "silent"),
            "nothing arrives for 121 s: none has come yet; cannot connect to wss://x: no",
        ),
        ({"silent": {"XRPUSDT": 70.0}}, DEGRADED, "running", "1 symbol silent: XRPUSDT for 70 s"),
    ],
)
def test_what_is_wrong_with_the_capture_is_said_first(lake, flaw, verdict, word, why):
    seen = replace(WELL, **flaw)
    found, reasons = judged(lake, record(lake), seen)
    assert (found, collector_status(seen)) == (verdict, word) and reasons[0].startswith(why)


def _clock(found):
    found.collector.clock_offset_ms = -700.0


def _late(found):
    found.collector.last_latency_p50_ms = 106_000.0


def _failing(found):
    found.transformer.last_error = "x.sql, line 3: no"


def _waiting(found):
    found.macro_minute.status = "waiting"


def _full(found):
    found.disk.free_bytes = 1_500_000_000


def _small(found):
    found.disk.days_left = 3.2


def _missing(found):
    found.tape.missing_today = 1234


def _failed(found):
    found.validation.day, found.validation.verdict = DAY, "FAIL"
    found.validation.reason = "R8 rules its use out"


@pytest.mark.parametrize(
    ("flaw", "why"),
    [
        (_clock, "this machine's clock is -700 ms off the exchange's"),
        (_late, "trades arrive 106000 ms late"),
        (_failing, "transformer fails: x.sql, line 3: no"),
        (_waiting, "macro_minute waits for what runs before it"),
        (_full, "only 1.5 GB are free, less than 2 GB: nothing is built"),
        (_small, "the disk has room for 3.2 days"),
        (_missing, "1,234 trades of today are missing"),
        (_failed, f"the validation of {DAY} failed: R8 rules its use out"),
    ],
)
def test_every_other_flaw_degrades_a_lake_and_is_told(lake, flaw, why):
    found = record(lake)
    flaw(found)
    verdict, reasons = judged(lake, found, WELL)
    assert verdict == DEGRADED and len(reasons) == 1 and reasons[0].startswith(why)
    page = report.markdown(lake, health.blank(lake, verdict, reasons[0]))
    assert page.startswith("# Health: DEGRADED\n")


class OneChild:
    """A collector's job whose process is this one."""

    def __init__(self, lake) -> None:
        self.job = Job(lake, Kind("collector", list), SourceClock())
        self.job.child = self
        self.job.start_us = machine_us() - 500 * SECOND_US
        self.pid, self.age_s = os.getpid(), 500.0


def feed_of(lake) -> Feed:
    child = OneChild(lake)
    found = Feed(lake, child.job, child.job._clock)
    found.look()
    return found


def test_a_feed_that_died_two_minutes_ago_is_not_healthy(lake):
    status.write(lake.base, told())
    assert judged(lake, record(lake), feed_of(lake).seen())[0] == HEALTHY
    dead_us = machine_us() - 121 * SECOND_US
    symbols = {name: Symbol(dead_us, 10, 20) for name in ("SOLUSDT", "XRPUSDT")}
    status.write(lake.base, told(symbols=symbols))
    feed = feed_of(lake)
    verdict, reasons = judged(lake, record(lake), feed.seen())
    assert verdict == ERROR and reasons[0].startswith("nothing arrives for 121 s")
    assert feed.collector({}, is_over=False).status == "silent"


def test_a_collector_that_hangs_is_not_healthy_whatever_it_said_last(lake):
    status.write(lake.base, told(written_us=machine_us() - 30 * SECOND_US))
    verdict, reasons = judged(lake, record(lake), feed_of(lake).seen())
    assert verdict == ERROR and "does not answer for 30 s" in reasons[0]


def test_why_there_is_no_connection_is_the_collectors_last_error(lake):
    none = {name: Symbol(0, 0, 0) for name in ("SOLUSDT", "XRPUSDT")}
    status.write(lake.base, told(symbols=none, trouble="cannot connect to wss://x: no"))
    feed = feed_of(lake)
    assert feed.collector({}, is_over=False).last_error == "cannot connect to wss://x: no"
    assert feed.seen().trouble == "cannot connect to wss://x: no"


def test_the_first_seconds_of_connecting_are_no_flaw_to_tell_but_their_cause_is(lake):
    none = {name: Symbol(0, 0, 0) for name in ("SOLUSDT", "XRPUSDT")}
    now_us = machine_us()
    run = Supervisor(lake)
    run.jobs["collector"].child = OneChild(lake)
    with log_lines("WARNING") as lines:
        status.write(lake.base, told(symbols=none, started_us=now_us))
        run.feed.look()
        run.tell()
        assert not lines and health.read(lake).status == DEGRADED
        status.write(lake.base, told(symbols=none, started_us=now_us, trouble="cannot: no"))
        run.feed.look()
        run.tell()
        run.tell()
    assert lines == ["DEGRADED: the collector is connecting since 500 s: cannot: no"]
    assert health.read(lake).collector.last_error == "cannot: no"


def test_a_symbol_that_never_came_is_named_once_others_had_time(lake):
    now_us = machine_us()
    symbols = {"SOLUSDT": Symbol(now_us, 1, 1), "XRPUSDT": Symbol(0, 0, 0)}
    status.write(lake.base, told(symbols=symbols))
    verdict, reasons = judged(lake, record(lake), feed_of(lake).seen())
    assert verdict == DEGRADED and reasons[0] == "1 symbol silent: XRPUSDT for 500 s"


def test_what_is_counted_adds_up_over_restarts_and_what_was_seen_is_kept(lake):
    status.write(lake.base, told())
    feed = feed_of(lake)
    first_us = feed.status.now_us
    empty = {name: Symbol(0, 0, 0) for name in ("SOLUSDT", "XRPUSDT")}
    feed._job.child.pid += 1
    status.write(lake.base, told(pid=os.getpid() + 1, symbols=empty, reconnects=1, parts=1))
    feed.look()
    assert (feed.restarts, feed.counts["reconnects"], feed.counts["parts"]) == (1, 3, 6)
    found = feed.collector({}, is_over=False)
    assert status.machine_us() - first_us < 60 * SECOND_US
    assert found.symbols["SOLUSDT"] == health.iso(first_us) and found.status == "connecting"
    assert found.clock_offset_ms == 1.5


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> Path:
    """A built lake of ten minutes and a half of a replay: a trade a second, ids 100 to 109 missing,
    and what its collector said at the end."""
    folder = lakes.make(tmp_path_factory.mktemp("known") / "lake", CONFIG)
    end_us = NOON + 630 * SECOND_US
    for symbol in ("SOLUSDT", "XRPUSDT"):
        ids = [number for number in range(1, 631) if not 100 <= number < 110]
        rows = []
        for number in ids:
            at_us = NOON + number * SECOND_US - 500_000
            recv_us = at_us + (number % 100 + 1) * 1000
            rows.append(lakes.trade(symbol, number, at_us, ts_recv=recv_us, event_time=at_us))
        lakes.put(folder, symbol, rows)
    runs = lakes.sessions(NOON, end_us, ("SOLUSDT", "XRPUSDT"))
    lakes.put(folder, "_sessions", [session("start", NOON - 2, mode="replay"), *runs[1:]])
    lakes.bring(folder)
    at_end = {"now_us": end_us, "speed": 1.0, "mode": "replay", "clock_offset_us": 250_000}
    status.write(folder / "data", told(**at_end))
    return folder


def test_figures_are_those_of_the_files(known):
    found = measured(load(known))
    assert found["raw_count_today"] == 2 * 11
    # a bar a second from the first to the last known trade, the missing ones dark
    assert found["parquet_1s_rows_today"] == 2 * 630
    assert found["missing_today"] == 2 * 10


def test_latencies_are_of_the_last_minute_with_the_clocks_brought_together(known):
    """Of trade n it is n % 100 + 1 ms by our clock; the exchange's is 250 ms ahead."""
    since_us = 630 * 1000 - 60_000
    late = sorted(n % 100 + 1 for n in range(1, 631) if n * 1000 - 500 + n % 100 + 1 > since_us)
    both = sorted([*late, *late])
    found = measured(load(known))
    p50, p95 = (both[-(-len(both) * percent // 100) - 1] for percent in (50, 95))
    assert found["last_latency_p50_ms"] == pytest.approx(p50 + 250)
    assert found["last_latency_p95_ms"] == pytest.approx(p95 + 250)


def test_the_days_of_room_are_those_of_the_bytes_of_the_day(known):
    lake = load(known)
    files = [path for path in lake.base.rglob("*") if path.is_file() and _is_of_day(path)]
    # the first part of the day, of the sessions, is of 11:59, the moment 12:10
    pace = sum(path.stat().st_size for path in files) / (11 / 1440)
    found = measured(lake)
    import shutil

    free = shutil.disk_usage(lake.base).free
    assert found["days_left"] == pytest.approx(free / pace, rel=0.02)


def _is_of_day(path: Path) -> bool:
    in_raw = path.parent.name == DAY and "raw" in path.parts
    return in_raw or path.parent.as_posix().endswith("year=2025/month=10/day=20")


def test_before_anything_is_built_what_cannot_be_known_is_not_guessed(tmp_path):
    lake = load(lakes.make(tmp_path / "lake", CONFIG))
    lake.base.mkdir()
    found = measured(lake)
    assert found["raw_count_today"] == found["parquet_1s_rows_today"] == 0
    assert found.get("last_latency_p50_ms") is None and found.get("days_left") is None
    page = report.markdown(lake, health.blank(lake, HEALTHY, "x"))
    assert "Not counted yet." in page


def test_a_torn_line_of_a_part_that_is_being_written_costs_no_figure(known, tmp_path):
    import shutil

    folder = shutil.copytree(known, tmp_path / "lake")
    before = measured(load(folder))
    part = folder / "data/raw/binance/SOLUSDT" / DAY / "part_731.jsonl.open"
    part.write_bytes(b'{"symbol":"SOLUSDT","ts_event":17609')
    after = measured(load(folder))
    assert {**after, "days_left": 0} == {**before, "days_left": 0}


def test_a_template_of_the_lakes_own_that_is_at_fault_hides_nothing(lake):
    own = lake.folder / "reports" / "health.md.jinja"
    own.parent.mkdir()
    own.write_text("{{ health.status }} {{ nothing.at_all }}", encoding="utf-8")
    page = report.markdown(lake, health.blank(lake, ERROR, "the feed is dead"))
    assert page.startswith("# Health: ERROR\n\nthe feed is dead.")
    assert "reports/health.md.jinja is at fault: 'nothing' is undefined" in page


def test_readers_never_see_half_a_heartbeat(lake):
    found = record(lake)
    found.reason, found.others = "x", ["x" * 10_000] * 20
    report.write(lake, found)
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not done.is_set():
            text = health.file(lake).read_bytes()
            seen.append(len(msgspec.json.decode(text)["others"]))
            page = (lake.base / "reports" / "health.md").read_text(encoding="utf-8")
            assert page.endswith("|\n") and "## Next Runs" in page

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        found.others = found.others[: 20 - number % 10]
        report.write(lake, found)
    while len(seen) < 20 and reader.is_alive():
        time.sleep(0.01)
    done.set()
    reader.join()
    assert len(seen) >= 20 and min(seen) >= 10
