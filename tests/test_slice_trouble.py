"""`lake slice` in trouble: a build beside it, a full disk, an interrupt, ten million rows."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lakes
import pytest
from lakes import ROOT
from sealed_lakes import SYMBOL

RANGE = ("--start", "2025-10-20T22:00:00Z", "--end", "2025-10-21T00:00:00Z")
POSIX = pytest.mark.skipif(os.name == "nt", reason="limits and signals of POSIX")
BIG_DAYS, BIG_ROWS = 5, 10_000_000
BIG = ("--source", "trades", "--start", "2025-10-20", "--end", "2025-10-25", "--allow-dark")


@contextmanager
def touched(path: Path) -> Iterator[None]:
    """As long as this lasts a file changes all the time, as under a build that never rests."""
    done = threading.Event()

    def touch() -> None:
        time_ns = path.stat().st_mtime_ns
        while not done.wait(0.001):
            time_ns += 1000
            os.utime(path, ns=(time_ns, time_ns))

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_slice_of_days_that_change_under_it_is_refused(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    out = tmp_path / "a.csv"
    with touched(folder / "data" / lakes.place("bars_1s", "SOLUSDT", lakes.DAY)):
        result = lakes.run(folder, "slice", *RANGE, "--out", str(out))
    assert result.exit_code == 1 and "changed while the slice was taken" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake"]


def test_a_sealed_file_whose_bytes_changed_is_refused(sealed_day, tmp_path):
    folder, out = shutil.copytree(sealed_day, tmp_path / "lake"), tmp_path / "a.csv"
    arguments = ("slice", *RANGE, "--out", str(out), "--allow-dark")
    assert lakes.run(folder, *arguments).exit_code == 0
    path = folder / "data" / lakes.place("bars_1s", SYMBOL, lakes.DAY)
    path.write_bytes(path.read_bytes().replace(b"macros/vwap", b"macros/vwaq"))
    result = lakes.run(folder, *arguments, "--force")
    assert result.exit_code == 1 and f"{path} is damaged" in result.output.replace("\n", " ")


def test_a_build_of_other_days_does_not_stop_a_slice(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    with touched(folder / "data" / lakes.place("bars_1s", "BTCUSDT", lakes.DAY)):
        arguments = (*RANGE, "--symbols", "SOLUSDT", "--out", str(tmp_path / "a.csv"))
        assert lakes.run(folder, "slice", *arguments).exit_code == 0


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("rows", "select {{ 1 / 0 }}", "line 1: division by zero"),
        ("rows", "select price\nfrom {{ relation }}", "line 1: Binder Error"),
        ("chunks", "select prize from {{ source }}", "line 1: Binder Error"),
    ],
)
def test_wrong_sql_of_the_lakes_own_is_named(two_days, tmp_path, name, text, told):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    own = folder / "sql" / "slices" / f"{name}.sql.jinja"
    own.parent.mkdir(parents=True)
    own.write_text(text, encoding="utf-8")
    result = lakes.run(folder, "slice", *RANGE, "--out", str(tmp_path / "a.csv"))
    assert result.exit_code == 1 and f"{own}, {told}" in result.output, result.output
    assert "--debug" not in result.output and not (tmp_path / "a.csv").exists()


@POSIX
def test_a_full_disk_is_told_in_one_sentence_and_leaves_what_was_there(two_days, tmp_path):
    import resource

    out = tmp_path / "a.csv"
    out.write_text("mine")
    arguments = [*RANGE, "--tf", "1s", "--out", str(out), "--force", "--config", str(two_days)]
    done = subprocess.run(
        [sys.executable, "-m", "lake", "slice", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1
    assert "File too large" in done.stderr and "Traceback" not in done.stderr
    assert out.read_text() == "mine" and list(tmp_path.iterdir()) == [out]


@pytest.fixture(scope="module")
def big(tmp_path_factory) -> Path:
    """A lake with ten million trades of five days, published without raw."""
    folder = lakes.make(tmp_path_factory.mktemp("big") / "lake")
    lakes.bring(folder)
    with lakes.lake.connect(folder) as con:
        for number in range(BIG_DAYS):
            day = f"2025-10-{20 + number}"
            path = folder / "data" / lakes.place("trades", "SOLUSDT", day)
            path.parent.mkdir(parents=True)
            con.execute(f"""
                copy (
                    select 'binance' as exchange, 'SOLUSDT' as symbol, date '{day}' as day,
                        {number * BIG_ROWS // BIG_DAYS} + i as trade_id,
                        (100 + i * 7919 % 1000 / 100)::decimal(18, 8) as price,
                        (i * 31 % 1000 / 1000 + 0.001)::decimal(28, 8) as qty,
                        if(i % 3 = 0, 'buy', 'sell') as side,
                        make_timestamptz(epoch_us(timestamp '{day}') + i * 43_200) as ts_event,
                        make_timestamptz(epoch_us(timestamp '{day}') + i * 43_200 + 9) as ts_recv,
                        'ws' as source
                    from range({BIG_ROWS // BIG_DAYS}) as numbers(i)
                ) to '{path}' (format parquet, compression zstd, row_group_size 122880)""")
    return folder


@POSIX
@pytest.mark.soak
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_ten_million_rows_are_taken_in_bounded_memory(big, tmp_path, ending):
    out = tmp_path / f"big.{ending}"
    script = (
        "import resource, sys, lake\n"
        "lake.cli(sys.argv[1:], standalone_mode=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "slice", *BIG, "--out", out, "--config", big],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    megabytes = int(done.stdout.splitlines()[-1])
    print(f"\n{ending}: {BIG_ROWS:,} rows, {out.stat().st_size:,} bytes, {megabytes} MB at most")
    manifest = json.loads(out.with_name(f"{out.name}.manifest.json").read_text(encoding="utf-8"))
    assert manifest["rows"] == BIG_ROWS and megabytes < 800


@POSIX
@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_slice_that_is_stopped_leaves_no_file_of_its_name(big, tmp_path, number):
    out = tmp_path / "big.csv"
    running = lakes.process("slice", *BIG, "--out", str(out), "--config", str(big), cwd=ROOT)
    while running.poll() is None and not list(tmp_path.glob(".slice-*/*.part")):
        threading.Event().wait(0.01)
    running.send_signal(number)
    _, told = running.communicate(timeout=10)
    assert running.returncode == (-9 if number == signal.SIGKILL else 1), told
    assert "Traceback" not in told and not out.exists()
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
