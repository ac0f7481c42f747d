"""`lake dashboard` as a command: where it listens, how it ends, what it refuses."""

import importlib.util
import signal
import socket
import sys
import urllib.request

import lakes
import pytest
from browser import until
from dashboards import free_port, needs_server

from runner.dashboard import dashboard


def start(folder, port: int):
    """A dashboard that has told its address."""
    process = lakes.process("dashboard", "--config", str(folder), "--port", str(port))
    told = [process.stdout.readline(), process.stdout.readline()]
    assert f"http://127.0.0.1:{port}" in told[1], (told, process.communicate())
    return process


def listens(address: str, port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(5)
        return one.connect_ex((address, port)) == 0


@needs_server
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_it_serves_this_machine_alone_until_ctrl_c(lake_folder):
    port = free_port()
    process = start(lake_folder, port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        assert answer.status == 200
    assert listens("127.0.0.1", port) and not listens("127.0.0.2", port)
    process.send_signal(signal.SIGINT)  # SIGTERM: dashboards.served
    out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "") and "has ended" in out
    assert not listens("127.0.0.1", port)


@needs_server
@pytest.mark.soak
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_server_ends_with_a_command_that_was_killed(lake_folder):
    port = free_port()
    process = start(lake_folder, port)
    process.kill()
    process.communicate(timeout=10)
    until(lambda: not listens("127.0.0.1", port), "the server to end")


@needs_server
def test_a_port_that_is_taken_is_refused_in_one_sentence(lake_folder):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = lakes.run(lake_folder, "dashboard", "--port", str(port))
    assert done.exit_code == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in done.output and "--port" in done.output


def test_without_the_extra_it_names_the_pip_command(lake_folder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = lakes.run(lake_folder, "dashboard")
    assert done.exit_code == 1
    assert "needs streamlit and plotly: run `pip install" in done.output
    assert "[dashboard]" in done.output


def test_it_makes_no_lake_of_a_folder_that_is_none(tmp_path):
    done = lakes.run(tmp_path, "dashboard")
    assert done.exit_code == 1 and "lake init" in done.output


def test_telemetry_is_off_and_only_loopback_is_served():
    assert dashboard.SETTINGS["browser.gatherUsageStats"] == "false"
    assert dashboard.SETTINGS["server.address"] == "127.0.0.1"
