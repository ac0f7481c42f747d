"""The jobs of `lake run`: when they run, what becomes of those that fail, hang or are stopped.

They are real commands on real lakes; a clock that the test sets stands for the source's.
"""

import time
from pathlib import Path

import lakes
import pytest
from lakes import DAY, NEXT_DAY, NOON
from live_market import log_lines
from raw_lines import DAY_US, SECOND_US
from test_health import told

from ingest import status
from runner.config import load, with_flags
from runner.lock import hold
from runner.run import job_plan, jobs
from runner.run.clock import SourceClock
from runner.run.job_plan import Plan
from runner.run.job_process import Ended, read
from runner.run.jobs import Job, Kind

MINUTE_US = 60 * SECOND_US
ENDLESS = (
    "-- Never done.\n-- grain: exchange, symbol, rows\n-- file: endless/{exchange}/{symbol}/{day}\n"
    "select t.exchange, t.symbol, t.day, sum(hash(a.range, b.range)) as rows from trades as t\n"
    "cross join range(1000000) as a cross join range(1000000) as b group by all\n"
)


class SetClock(SourceClock):
    """A source's clock that stands where the test sets it."""

    at_us = NOON

    def now_us(self) -> int:
        return self.at_us


def done(job: Job, within_s: float = 60) -> Job:
    """Wait until a job's run has ended."""
    until = time.monotonic() + within_s
    while job.is_running:
        assert time.monotonic() < until
        job.look()
        time.sleep(0.02)
    return job


def own_sql(folder: Path, name: str, text: str) -> Path:
    path = folder / "sql" / "bars" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    return lakes.make_two_days(tmp_path / "lake", ["SOLUSDT"])


def build_job(folder: Path, **own) -> tuple[Job, SetClock]:
    clock = SetClock()
    usual = {"arguments": lambda: ["build"], "every_s": 120.0, "limit_s": 60.0}
    kind = Kind("transformer", **(usual | own))
    job = Job(load(folder), kind, clock)
    job.due_us = clock.at_us
    return job, clock


def test_a_job_runs_when_it_is_due_and_tells_what_it_did(folder):
    job, clock = build_job(folder)
    assert job.is_due()
    job.start()
    assert not job.is_due() and job.is_running
    clock.at_us += 5 * SECOND_US
    done(job)
    assert (job.runs, job.failures, job.error) == (1, 0, None)
    assert job.facts["files"] >= 6 and job.facts["rows"] > 7000
    assert (job.start_us, job.end_us) == (NOON, NOON + 5 * SECOND_US)
    assert job.due_us == NOON + 120 * SECOND_US


def test_a_job_that_fails_is_told_once_and_tried_again_ever_later_until_it_works(folder):
    bad = own_sql(folder, "bad.sql", "-- Bad.\n-- grain: exchange\nselect no from nowhere;;\n")
    job, clock = build_job(folder, every_s=900.0)
    waits = []
    for _ in range(2):
        job.start()
        done(job)
        waits.append((job.due_us - clock.at_us) / SECOND_US)
        clock.at_us = job.due_us
    assert waits == [60, 120] and job.failures == 2 and job.runs == 0
    assert "bad.sql" in job.error and "\n" not in job.error
    bad.unlink()
    job.start()
    done(job)
    assert (job.failures, job.runs, job.error) == (0, 1, None)


def test_a_job_that_hangs_is_ended_at_its_limit_and_leaves_what_it_wrote(folder):
    own_sql(folder, "endless.sql", ENDLESS)
    job, _ = build_job(folder, limit_s=4.0)
    job.start()
    done(job)
    assert job.error == "it was ended after 4 s, its limit" and job.failures == 1
    (folder / "sql/bars/endless.sql").unlink()
    lakes.bring(folder)


def test_a_command_that_cannot_be_started_is_a_failure_like_any(folder):
    job, _ = build_job(folder)
    (folder / "data" / "work").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "work" / "run").write_text("in the way", encoding="utf-8")
    job.start()
    assert not job.is_running and job.failures == 1 and "it cannot be started" in job.error


def test_a_job_that_finds_another_at_work_is_put_off_and_has_not_failed(folder):
    job, clock = build_job(folder, arguments=lambda: ["collect"], locks=("collector.lock",))
    with hold(folder / "data" / "collector.lock", "collecting into this lake"):
        assert job.is_due()
        job.start()
        done(job)
    assert (job.failures, job.error, job.runs) == (0, None, 0)
    assert job.due_us == NOON + 10 * SECOND_US
    clock.at_us = job.due_us
    assert job.is_due() and job.wanted_us == NOON


def test_a_clock_that_is_set_back_does_not_put_a_job_off(folder):
    job, clock = build_job(folder)
    job.due_us = clock.at_us + 100 * MINUTE_US
    assert not job.is_due()
    clock.at_us += 2 * MINUTE_US
    assert job.is_due()


def test_what_should_go_on_for_ever_is_begun_again_within_seconds(folder):
    clock = SetClock()
    job = Job(load(folder), Kind("collector", lambda: ["no-such-command"]), clock)
    waits = []
    for _ in range(3):
        job.start()
        done(job)
        waits.append((job.due_us - clock.at_us) / SECOND_US)
    assert waits == [1, 2, 4] and "No such command" in job.error


@pytest.mark.parametrize(
    ("text", "said", "facts"),
    [
        ('{"facts":{"files":3},"warnings":1}\n', "it ended with 0", {"files": 3}),
        ('one\ntwo\n{"facts":{},"warnings":0}\n', "two", {}),
        ("Usage: x\n\nError: no\n  such thing\n", "no such thing", {}),
        ("", "it ended with 0", {}),
        ("\udcff\n", "\udcff", {}),
    ],
)
def test_the_end_of_an_output_says_what_was_done(tmp_path, text, said, facts):
    path = tmp_path / "x.txt"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    found = read(path, 0)
    assert found.facts == facts and found.said == said.replace("\udcff", "\ufffd")
    assert read(tmp_path / "none", -9).said == "it was killed by signal 9"


def plan_of(folder: Path, at_us: int) -> tuple[Plan, SetClock]:
    clock = SetClock()
    clock.at_us = at_us
    plan = Plan(load(folder), clock)
    plan.begin(None)
    for job in plan.jobs.values():
        job.due_us = None
    return plan, clock


def ended(plan: Plan, name: str, clock: SetClock, code: int = 0, **facts) -> None:
    """As if a job's run had just ended."""
    job = plan.jobs[name]
    job.start_us = clock.at_us
    if code in job.kind.verdicts:
        job._done(Ended(code, "x", facts))
    else:
        job._failed(Ended(code, "x", facts))


def due(plan: Plan, clock: SetClock) -> set[str]:
    return {name for name, job in plan.jobs.items() if job.is_due()}


def test_a_day_that_is_over_is_repaired_then_sealed_then_validated(folder):
    plan, clock = plan_of(folder, lakes.MIDNIGHT)
    plan.close_day()
    assert due(plan, clock) == set()
    clock.at_us += 32 * MINUTE_US  # 30 minutes of lateness, and some for the last lines
    plan.close_day()
    assert plan.day == DAY and due(plan, clock) == {"repair"}
    ended(plan, "repair", clock)
    assert due(plan, clock) == {"compact"}
    ended(plan, "compact", clock, waiting=1)  # raw came meanwhile
    assert due(plan, clock) == set()
    clock.at_us += MINUTE_US
    assert due(plan, clock) == {"compact"}
    ended(plan, "compact", clock, sealed=1)
    assert due(plan, clock) == {"validation"}
    job = plan.jobs["validation"]
    assert job.kind.arguments() == ["validate", "--start", DAY, "--end", NEXT_DAY]
    ended(plan, "validation", clock, code=3, verdict="FAIL", reason="x")
    assert plan.closed == DAY and job.facts["verdict"] == "FAIL" and job.facts["day"] == DAY
    clock.at_us += 3 * MINUTE_US
    plan.close_day()
    assert due(plan, clock) == set() and plan.day is None


def test_a_day_whose_validation_failed_is_closed_anew_after_a_repair_or_a_start(folder):
    plan, clock = plan_of(folder, lakes.MIDNIGHT + 60 * MINUTE_US)
    clock.at_us += 5 * MINUTE_US
    plan.close_day()
    for name in ("repair", "compact"):
        ended(plan, name, clock)
    ended(plan, "validation", clock, code=3, verdict="FAIL", reason="x")
    ended(plan, "repair", clock, new=0)
    assert due(plan, clock) == set() and plan.failed == DAY
    plan.begin(DAY, has_failed=True)
    for job in plan.jobs.values():
        job.due_us = None
    for fetched in (0, 7):
        ended(plan, "repair", clock, new=fetched)
        assert due(plan, clock) == {"compact"}
        ended(plan, "compact", clock)
        assert due(plan, clock) == {"validation"} and plan.day == DAY
        ended(plan, "validation", clock, code=0 if fetched else 3, verdict="?", reason="x")
    ended(plan, "repair", clock, new=7)
    assert due(plan, clock) == set() and (plan.closed, plan.failed) == (DAY, None)


def test_without_network_a_day_is_sealed_all_the_same_after_some_tries(folder):
    plan, clock = plan_of(folder, lakes.MIDNIGHT + 60 * MINUTE_US)
    clock.at_us += 5 * MINUTE_US
    plan.close_day()
    for _ in range(job_plan.TRIES):
        assert due(plan, clock) == {"repair"}
        ended(plan, "repair", clock, code=1)
        clock.at_us += 10 * MINUTE_US
    assert due(plan, clock) == {"compact"}


def test_a_day_that_cannot_be_validated_gives_way_to_the_next(folder):
    plan, clock = plan_of(folder, lakes.MIDNIGHT + 60 * MINUTE_US)
    clock.at_us += 5 * MINUTE_US
    plan.close_day()
    for name in ("repair", "compact"):
        ended(plan, name, clock)
    for _ in range(3):
        assert due(plan, clock) == {"validation"}
        ended(plan, "validation", clock, code=1)  # a rule's SQL is wrong
        clock.at_us += 60 * MINUTE_US
        plan.close_day()
        assert plan.day == DAY
    clock.at_us += DAY_US
    plan.close_day()
    assert plan.day == NEXT_DAY and due(plan, clock) == {"repair"}
    for name in ("repair", "compact", "validation"):
        ended(plan, name, clock)
    assert plan.closed == NEXT_DAY and plan.day is None


def test_a_day_that_an_earlier_run_has_closed_is_not_closed_again(folder):
    plan, clock = plan_of(folder, lakes.MIDNIGHT + 60 * MINUTE_US)
    plan.begin(DAY)
    clock.at_us += 5 * MINUTE_US
    plan.close_day()
    assert plan.day is None
    clock.at_us += DAY_US
    plan.close_day()
    assert plan.day == NEXT_DAY


def test_macro_looks_back_far_at_the_first_fetch_that_works_and_less_later(folder):
    plan, clock = plan_of(folder, NOON)
    macro = plan.jobs["macro_minute"]
    assert macro.kind.arguments()[-2:] == ["--days", "7"]
    ended(plan, "macro_minute", clock, code=1)
    assert macro.kind.arguments()[-2:] == ["--days", "7"]
    ended(plan, "macro_minute", clock)
    assert macro.kind.arguments()[-2:] == ["--days", "1"]


def test_what_is_switched_off_never_runs(folder):
    off = "transformer: {schedule_minutes: 0}\nmacro_minute: {tickers: []}\n"
    lakes.make(folder, off + "derivatives: {schedule_minutes: 0}\n")
    clock = SetClock()
    plan = Plan(load(folder), clock)
    plan.begin(DAY)
    clock.at_us += 400 * DAY_US
    assert due(plan, clock) == {"figures", "repair"}
    names = ("transformer", "macro_minute", "derivatives")
    assert all(plan.jobs[name].is_off for name in names)


def test_flags_go_to_the_commands_that_take_them(folder):
    flags = {
        "exchanges[0].symbols": ("--symbols", ["SOLUSDT", "XRPUSDT"]),
        "macro_minute.tickers": ("--macro-tickers", ["ES=F"]),
        "macro_minute.startup_backfill_days": ("--macro-lookback-startup-days", 3),
        "transformer.schedule_minutes": ("--transform-interval-min", 5),
    }
    plan = Plan(with_flags(load(folder), flags), SetClock())
    jobs = [job for name, job in plan.jobs.items() if name != "validation"]
    called = {job.name: " ".join(job.kind.arguments()) for job in jobs}
    assert called["collector"] == "collect --symbols SOLUSDT,XRPUSDT"
    assert called["macro_minute"] == "macro --tickers ES=F --days 3"
    assert called["repair"] == "repair --symbols SOLUSDT,XRPUSDT"
    assert plan.jobs["transformer"].kind.every_s == 300


def test_packed_raw_is_pruned_where_the_configuration_says_so(folder):
    lakes.make(folder, "compact: {prune_raw_days: 14}\n")
    plan, clock = plan_of(folder, NOON)
    plan.day = DAY
    ended(plan, "validation", clock, verdict="PASS", reason="x")
    assert due(plan, clock) == {"prune"}
    assert plan.jobs["prune"].kind.arguments() == ["prune", "--yes", "--raw-older-than", "14d"]


def test_a_replays_clock_goes_on_without_a_word_of_the_collector_and_never_back():
    clock = SourceClock()
    assert abs(clock.now_us() - status.machine_us()) < SECOND_US
    now_us = status.machine_us()
    clock.follow(told(now_us=NOON, speed=60.0, written_us=now_us - SECOND_US))
    assert NOON + 60 * SECOND_US <= clock.now_us() < NOON + 120 * SECOND_US
    clock.follow(told(now_us=NOON, speed=60.0, written_us=now_us - 100 * SECOND_US))
    assert NOON + 6000 * SECOND_US <= (late_us := clock.now_us()) < NOON + 6600 * SECOND_US
    clock.follow(told(now_us=NOON, speed=60.0, written_us=status.machine_us()))
    assert late_us <= clock.now_us() < NOON + 6600 * SECOND_US
    assert clock.real_s(60, least=0.1) == 1.0 and clock.real_s(1, least=0.1) == 0.1
    assert clock.lasting_us(1, least=1.0) == 60 * SECOND_US
    unpaced = SourceClock()
    unpaced.follow(told(now_us=NOON, speed=0.0, written_us=now_us - 100 * SECOND_US))
    assert NOON + 100 * SECOND_US <= unpaced.now_us() < NOON + 200 * SECOND_US


def test_a_failure_is_told_again_after_an_hour_only(folder, monkeypatch):
    plan, clock = plan_of(folder, NOON)
    with log_lines("WARNING") as lines:
        for _ in range(3):
            ended(plan, "transformer", clock, code=1)
        monkeypatch.setattr(jobs, "TELL_AGAIN_S", 0.0)
        ended(plan, "transformer", clock, code=1)
    assert lines == ["transformer failed: x; it is tried again"] * 2


@pytest.mark.parametrize("join", [", then", ";"])
def test_what_is_tried_again_by_itself_is_not_asked_to_be_run_again(folder, join):
    plan, clock = plan_of(folder, NOON)
    job = plan.jobs["macro_minute"]
    job.start_us = clock.at_us
    said = f"no usable answer: look at the network{join} run the same command again"
    with log_lines("WARNING") as lines:
        job._failed(Ended(1, said))
    told = "no usable answer: look at the network"
    assert job.error == told and lines == [f"macro_minute failed: {told}; it is tried again"]
