"""Logs: a line an event, in UTC, kept by day, and never in the way of a run."""

import errno
import io
import os
import re
import sys
import time
from pathlib import Path

import pytest
from loguru import logger

from runner import config, logs


@pytest.fixture
def lake(tmp_path):
    (tmp_path / "config.yml").write_text("")
    yield config.load(tmp_path)
    logger.remove()


def _fail():
    try:
        raise ValueError("no <red> {price}\n  in line 3")
    except ValueError:
        logger.exception("the build failed")


def test_a_line_goes_to_the_terminal_and_to_the_file(lake, capsys):
    logs.setup(lake, "collector")
    logger.info("connected to {} <b> %s", "binance")
    logger.debug("not shown")
    written = (lake.base / "logs" / "collector.log").read_text()
    assert written == capsys.readouterr().err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d [\d:.]{12}Z INFO    connected to binance <b> %s\n", written
    )


def test_a_terminal_gets_long_lines_in_pieces_and_the_file_gets_them_whole(lake, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", Terminal())
    logs.setup(lake, "collector")
    for line in config.in_force(lake, "exchanges[0]", "collector"):
        logger.info("{}", line)
    told = sys.stderr.getvalue().splitlines()
    written = (lake.base / "logs" / "collector.log").read_text()
    assert len(written.splitlines()) == 3 < len(told)
    assert " ".join(" ".join(told).split()) == " ".join(written.split())
    # a list of symbols or a path is one word; all else fits
    assert [
        line
        for line in told
        if len(line) > 80 and not {"USDT,", "/"} & {*re.findall("USDT,|/", line)}
    ] == []


def test_times_are_utc_in_any_zone(lake, capsys, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    if hasattr(time, "tzset"):
        time.tzset()
    logs.setup(lake, "collector")
    before = time.gmtime()
    logger.info("x")
    monkeypatch.undo()
    if hasattr(time, "tzset"):
        time.tzset()
    hours = {time.strftime("%Y-%m-%d %H", now) for now in (before, time.gmtime())}
    assert capsys.readouterr().err[:13] in hours


def test_an_exception_is_one_line_and_a_stack_trace_only_when_debugging(lake, capsys):
    logs.setup(lake, "transformer")
    _fail()
    line = capsys.readouterr().err
    assert line.endswith("the build failed: no <red> {price} in line 3 (ValueError)\n")
    assert line.count("\n") == 1
    logs.setup(lake, "transformer", debug=True)
    _fail()
    assert "Traceback" in capsys.readouterr().err


def test_yesterdays_lines_move_aside_and_fourteen_days_are_kept(lake):
    folder = lake.base / "logs"
    folder.mkdir(parents=True)
    for day in range(1, 31):
        (folder / f"collector.log.2025-10-{day:02}").write_text("old\n")
    file = folder / "collector.log"
    file.write_text("yesterday\n")
    yesterday = time.time() - 86_400
    os.utime(file, (yesterday, yesterday))
    logs.setup(lake, "collector")
    logger.info("today")
    kept = sorted(path.name for path in folder.iterdir())
    moved = time.strftime("collector.log.%Y-%m-%d", time.gmtime(yesterday))
    assert (folder / moved).read_text() == "yesterday\n"
    assert "today" in file.read_text() and "yesterday" not in file.read_text()
    assert len(kept) == 1 + logs.DAYS_KEPT


def test_processes_that_share_a_file_move_it_aside_once(lake):
    """Each of them meets midnight with lines of yesterday and of today already written."""
    file = lake.base / "logs" / "collector.log"
    file.parent.mkdir(parents=True)
    file.write_text("yesterday\n")
    yesterday = time.time() - 86_400
    os.utime(file, (yesterday, yesterday))
    first, second = (logs._DailyFile(file) for _ in range(2))
    for number, handler in enumerate((first, second, first)):
        handler.emit(logs.LogRecord("", 20, "", 0, f"today {number}", None, None))
    for handler in (first, second):
        handler.close()
    moved = time.strftime("collector.log.%Y-%m-%d", time.gmtime(yesterday))
    assert (file.parent / moved).read_text() == "yesterday\n"
    assert file.read_text().splitlines() == ["today 0", "today 1", "today 2"]


def test_a_folder_that_cannot_be_written_costs_one_sentence_and_no_run(lake, capsys):
    lake.base.mkdir()
    (lake.base / "logs").write_text("a file in the way")
    logs.setup(lake, "validation")
    logger.info("still running")
    first, second = capsys.readouterr().err.splitlines()
    assert "no log file is kept" in first and "validation.log" in first
    assert second.endswith("still running")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_once_a_minute(lake, capsys):
    (lake.base / "logs").mkdir(parents=True)
    (lake.base / "logs" / "collector.log").symlink_to("/dev/full")
    logs.setup(lake, "collector")
    for number in range(50):
        logger.info("line {}", number)
    told = capsys.readouterr().err
    assert told.count(os.strerror(errno.ENOSPC)) == 1
    assert "Traceback" not in told and told.count("line ") == 50
