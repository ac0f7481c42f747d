"""Ctrl+C and SIGTERM at any moment: an end in order within 10 s, in one sentence, and a lake that
the next build completes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import lakes
import pytest
from campaign import Campaign
from lakes import NOON
from raw_lines import MINUTE_US

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
ORDERLY_S = 10
# A process that was started in the background hands down a Ctrl+C that is ignored.
LAKE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "import lake; lake.cli(prog_name='lake')"
)


def started(*arguments: str, cwd: Path) -> subprocess.Popen:
    """A `lake` command at the head of a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", LAKE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(lakes.ROOT)},
        start_new_session=True,
    )


def stopped(process: subprocess.Popen, number: int, after_s: float) -> tuple[int, str] | None:
    """How a process ends that is sent a signal after a while; None when it was done before."""
    try:
        process.communicate(timeout=after_s)
        return None
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    try:
        output, _ = process.communicate(timeout=ORDERLY_S)
    finally:
        if process.poll() is None:
            process.kill()
    assert "Traceback" not in output, output
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(process.pid, 0)
    return process.returncode, output


def make_hour(folder: Path, lines: int) -> Path:
    """A lake with an hour of so many trades, and quotes among them."""
    lakes.make(folder)
    a_minute = lines // 60
    for minute in range(60):
        texts = []
        for number in range(a_minute):
            time_us = NOON + minute * MINUTE_US + number * (MINUTE_US // a_minute)
            trade_id, price = minute * a_minute + number + 1, 60_000 + number * 7 % 977
            texts.append(
                f'{{"symbol":"BTCUSDT","ts_event":{time_us},"ts_recv":{time_us + 900},'
                f'"price":"{price}.{number % 100:02}","qty":"0.{number % 9999:05}","side":"buy",'
                f'"bid":null,"ask":null,"stream":"trade","trade_id":{trade_id},'
                f'"event_time":{time_us},"source":"ws","conn":1}}\n'
            )
        lakes.part(folder, "BTCUSDT", NOON + minute * MINUTE_US, "".join(texts).encode())
    end_us = NOON + 60 * MINUTE_US
    lakes.put(folder, "_sessions", lakes.sessions(NOON, end_us, ["BTCUSDT"]))
    return folder


def interrupted_builds(folder: Path, seeds: range, told: Campaign, most_s: float) -> None:
    """Builds that are stopped, each going on where the one before was, and one that is not."""
    for seed in seeds:
        chance = random.Random(seed)
        if seed % 3 == 0:
            (folder / "data/work/staged").rename(folder / f"staged_{seed}")
        process = started("build", "--config", str(folder), cwd=folder)
        ended = stopped(process, SIGNALS[seed % 2], chance.uniform(0.6, most_s))
        if ended and "published" in ended[1] and "Error" not in ended[1]:
            ended = None  # all was done and said: the signal met a process that was leaving
        if ended == (-signal.SIGTERM, ""):
            ended = None  # a busy machine: the signal met Python before the command began
        told.saw("builds stopped" if ended else "builds done before the signal")
        if ended:
            assert ended[0] == 1 and "Error: stopped before it was done" in ended[1], ended
    lakes.bring(folder)
    assert lakes.dry(folder) == [] and not list((folder / "data/work/publishing").iterdir())
    counts = "select count(*), count(distinct trade_id), max(trade_id) from trades"
    [(rows, distinct, newest)] = lakes.ask(folder, counts)
    assert rows == distinct == newest


def test_a_build_that_is_stopped_ends_in_order_and_the_next_goes_on(campaign, tmp_path):
    told = campaign("Ctrl+C and SIGTERM of a build", 2)
    interrupted_builds(make_hour(tmp_path / "lake", 60_000), told.seeds, told, 2.0)


@pytest.mark.soak
def test_builds_of_a_large_hour_end_in_order_whenever_they_are_stopped(campaign, tmp_path):
    told = campaign("Ctrl+C and SIGTERM of a build of an hour of 1.5 million lines", 20)
    interrupted_builds(make_hour(tmp_path / "lake", 1_500_000), told.seeds, told, 20.0)


def test_work_that_workers_do_is_interrupted_at_once(tmp_path):
    """A statement that takes minutes, in a worker's thread, while the main one waits for it."""
    view = make_hour(tmp_path / "lake", 60) / "sql" / "bars" / "endless.sql"
    view.parent.mkdir(parents=True)
    view.write_text(
        "-- Never done.\n-- grain: exchange, symbol, rows\n"
        "-- file: endless/{exchange}/{symbol}/{day}\n"
        "select t.exchange, t.symbol, t.day, sum(hash(a.range, b.range)) as rows from trades as t\n"
        "cross join range(1000000) as a cross join range(1000000) as b group by all\n"
    )
    process = started("build", "--config", str(tmp_path / "lake"), cwd=tmp_path)
    tape = tmp_path / "lake" / "data" / lakes.place("bars_1s", "BTCUSDT", lakes.DAY)
    while not tape.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    code, output = stopped(process, signal.SIGTERM, 0.5)
    assert code == 1 and "stopped before it was done" in output


def demos(tmp_path: Path, seeds: range, told: Campaign) -> None:
    """Demos that are stopped in one folder, each of which must be able to begin."""
    for seed in seeds:
        process = started("demo", cwd=tmp_path)
        ended = stopped(process, SIGNALS[seed % 2], random.Random(seed).uniform(0.5, 9))
        told.saw("demos stopped" if ended else "demos done before the signal")
        if ended:
            assert ended[0] == 1 and "stopped before it was done" in ended[1], ended


def test_a_demo_that_is_stopped_leaves_no_replay_behind(campaign, tmp_path):
    told = campaign("Ctrl+C and SIGTERM of the demo", 1)
    demos(tmp_path, told.seeds, told)


@pytest.mark.soak
def test_demos_leave_no_replay_behind_whenever_they_are_stopped(campaign, tmp_path):
    told = campaign("Ctrl+C and SIGTERM of the demo", 50)
    demos(tmp_path, told.seeds, told)


def test_a_second_demo_in_the_same_folder_says_who_is_there(tmp_path):
    first = started("demo", cwd=tmp_path)
    while not (tmp_path / "demo" / "config.yml").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    second = started("demo", cwd=tmp_path)
    said, _ = second.communicate(timeout=30)
    assert second.returncode == 1 and f"(process {first.pid} since" in said, said
    assert "already giving the demo in this folder" in said
    assert stopped(first, signal.SIGTERM, 0.1)[0] == 1


@pytest.mark.parametrize("number", SIGNALS)
def test_a_replay_that_is_stopped_says_so(tmp_path, number):
    process = started("replay", cwd=tmp_path)
    while "Ctrl+C stops" not in process.stdout.readline():
        assert process.poll() is None
    code, output = stopped(process, number, 0.05)
    assert code == 0 and "Stopped." in output


@pytest.mark.parametrize("number", SIGNALS)
def test_a_query_that_is_stopped_ends_at_once(two_days, tmp_path, number):
    began = tmp_path / "began.csv"  # opened as the query begins, long before its first row
    query = f"""copy (select count(*) from range(100000000000) t(a), range(100) s(b)
        where a % 7 = b) to '{began.as_posix()}' (use_tmp_file false)"""
    process = started("sql", query, "--config", str(two_days), cwd=tmp_path)
    while not began.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    code, output = stopped(process, number, 0.1)
    assert code == 1 and output == "Error: stopped before the answer was there\n"


@pytest.mark.parametrize("module", ["click", "runner.demo"])
def test_ctrl_c_while_a_command_still_loads_ends_it_without_a_word(tmp_path, module):
    as_it_loads = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Stop:
    def find_spec(name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stop)
import lake
lake.cli(["--version"])"""
    done = subprocess.run(
        [sys.executable, "-c", as_it_loads],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(lakes.ROOT)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
