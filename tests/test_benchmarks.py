"""The benchmarks run, and what they compare is the same; no time is judged."""

import json
import re
import subprocess
import sys

import lakes
from raw_lines import DAY_US, SECOND_US

from benchmarks.lakes import history_raw, minutes
from benchmarks.market import FIRST_DAY, SYMBOLS


def test_engines_and_build_make_the_same_bars(tmp_path):
    output = tmp_path / "figures.md"
    options = ["raw", "--quick", "--folder", str(tmp_path), "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options],
        cwd=lakes.ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    text = output.read_text(encoding="utf-8")
    assert text in done.stdout and "differ" not in text
    for engine in ("polars", "pandas", "chdb"):
        row = re.search(rf"\| {engine} \|.*", text)[0]
        assert row.endswith("| yes |") or "is not installed" in row
    assert re.search(r"\| lake build \| +[\d.]+ \|", text)


def test_a_made_history_goes_on_where_its_raw_ends(tmp_path):
    history_raw(tmp_path / "lake", 2, SYMBOLS[:1])
    raw = tmp_path / "lake" / "data" / "raw" / "binance" / SYMBOLS[0]
    parts = [path.read_bytes() for path in sorted(raw.glob("*/*.jsonl"))] + minutes(2, 1)
    lines = [json.loads(line) for part in parts for line in part.splitlines()]
    received = [line["ts_recv"] for line in lines]
    assert received == sorted(received) and received[0] // DAY_US == FIRST_DAY
    assert max(b - a for a, b in zip(received, received[1:], strict=False)) < 60 * SECOND_US
    ids = [line["trade_id"] for line in lines if line["stream"] == "trade"]
    assert {b - a for a, b in zip(ids, ids[1:], strict=False)} <= {1, 4}
