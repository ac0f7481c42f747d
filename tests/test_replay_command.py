"""`lake replay` from outside: what it prints, how it ends, and how it refuses."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from replay_client import listen
from websockets.asyncio.client import connect

from replay.command import replay
from replay.faults import FAULTS

ROOT = Path(__file__).parent.parent
# A process that was started in the background hands down a Ctrl+C that is ignored.
CODE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from replay.command import replay; replay(prog_name='lake replay')"
)


def _start(*options: str) -> tuple[subprocess.Popen, list[str]]:
    """The command in a process of its own, and what it prints before it serves."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", CODE, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        text=True,
    )
    lines = []
    while not lines or "Ctrl+C" not in lines[-1]:
        line = process.stdout.readline()
        assert line, "".join(lines)
        lines.append(line)
    return process, lines


def test_it_prints_the_addresses_and_ends_by_itself_when_everything_was_delivered():
    process, lines = _start("--symbols", "SOLUSDT,XLMUSDT", "--duration", "20", "--speed", "max")
    printed = "".join(lines)
    ws_url = re.search(r"ws://127\.0\.0\.1:\d+/stream", printed)[0]
    rest_url = re.search(r"http://127\.0\.0\.1:\d+", printed)[0]
    hint = f"lake collect --ws-url {ws_url} --rest-url {rest_url} --symbols SOLUSDT,XLMUSDT"
    assert hint in printed

    async def run():
        async with connect(f"{ws_url}?streams=solusdt@trade", proxy=None) as client:
            return await listen(client)

    heard = asyncio.run(run())
    rest, _ = process.communicate(timeout=10)
    assert heard.code == 4000 and process.returncode == 0
    assert f"{len(heard.texts)} trades delivered" in rest


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl+C to send there")
def test_ctrl_c_ends_it_cleanly():
    process, _ = _start()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0 and "Stopped." in rest and "Traceback" not in rest


def _asked(rest_url: str, path: str) -> list:
    with urlopen(rest_url + path) as answer:
        return json.load(answer)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl+C to send there")
def test_it_may_stay_after_the_end_until_ctrl_c():
    process, lines = _start("--symbols", "SOLUSDT", "--duration", "90", "--speed", "max", "--stay")
    ws_url = re.search(r"ws://127\.0\.0\.1:\d+/stream", "".join(lines))[0]
    rest_url = re.search(r"http://127\.0\.0\.1:\d+", "".join(lines))[0]

    async def run():
        async with connect(f"{ws_url}?streams=solusdt@trade", proxy=None) as client:
            return await listen(client)

    heard = asyncio.run(run())
    assert heard.code == 4000
    assert "trades delivered; REST stays." in process.stdout.readline()
    candles = _asked(rest_url, "/api/v3/klines?symbol=SOLUSDT&interval=1m")
    assert sum(candle[8] for candle in candles) == len(heard.texts)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0 and "Stopped." in rest


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl+C to send there")
def test_it_may_serve_rest_alone_with_days_of_history_before():
    options = ("--symbols", "SOLUSDT", "--duration", "60", "--rest-only", "--history-days", "2")
    process, lines = _start(*options)
    assert "all of it has happened" in lines[0] and "Record it" not in "".join(lines)
    rest_url = re.search(r"http://127\.0\.0\.1:\d+", "".join(lines))[0]
    path = "/api/v3/klines?symbol=SOLUSDT&interval=1m&startTime=0&limit=1"
    ((open_ms, *_),) = _asked(rest_url, path)
    assert open_ms == 1_760_745_600_000, "two days before the day of the market"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--recording", "nowhere.gz"], "nowhere.gz: no such file or folder"),
        (["--symbols", "SOLUSD"], "did you mean SOLUSDT"),
        (["--fault", "dropp=at:1s"], "did you mean drop?"),
        (["--speed", "fast"], "should be a number above 0, or max"),
        (["--speed", "0"], "should be a number above 0, or max"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(options, words):
    result = CliRunner().invoke(replay, options)
    assert result.exit_code == 1 and words in result.output
    assert result.output.count("\n") == 1 and "Traceback" not in result.output


def test_a_port_that_is_taken_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(replay, ["--port", str(port)])
    assert result.exit_code == 1 and f"port {port} is taken" in result.output


def test_the_help_explains_every_option_and_fault():
    result = CliRunner().invoke(replay, ["--help"])
    assert all(parameter.help for parameter in replay.params)
    assert all(re.search(rf"^  {name} ", result.output, re.MULTILINE) for name in FAULTS)
