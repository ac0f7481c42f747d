"""notebooks/: they run from top to bottom on a lake, in a kernel of their own, and show data."""

import base64
import io
import json
import platform
import re
from pathlib import Path

import lakes
import matplotlib.image
import nbclient
import nbformat
import numpy
import pytest
import worked_lake
from raw_lines import MINUTE_US
from test_queries import QUERIES

FOLDER = lakes.ROOT / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))
DAY = "a_look_at_a_day.ipynb"
MACRO = "macro_and_crypto.ipynb"
# what pyzmq says of Python's event loop on Windows, for which it has its own way around
pytestmark = pytest.mark.filterwarnings("ignore:Proactor event loop:RuntimeWarning")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder beside a lake named `example`, as notebooks/ lies in a clone."""
    folder = tmp_path_factory.mktemp("clone")
    worked_lake.make(folder / "example")
    (folder / "notebooks").mkdir()
    return folder / "notebooks"


def execute(name: str, place: Path) -> nbformat.NotebookNode:
    """Run a notebook as it stands in a fresh kernel in `place`; a cell that fails raises."""
    notebook = nbformat.read(FOLDER / name, as_version=4)
    resources = {"metadata": {"path": str(place)}}
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources=resources
    )
    return client.execute()


@pytest.fixture(scope="module")
def executed(place) -> dict[str, nbformat.NotebookNode]:
    return {name: execute(name, place) for name in NOTEBOOKS}


def outputs(notebook: nbformat.NotebookNode) -> list:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def tables(notebook: nbformat.NotebookNode) -> list[dict[str, dict[str, str]]]:
    """The tables that are shown, in order: rows by their label, values by column."""
    found = []
    for output in outputs(notebook):
        lines = re.findall(r"<tr.*?</tr>", output.get("data", {}).get("text/html", ""), re.DOTALL)
        cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in lines]
        if cells:
            body = [row for row in cells[1:] if any(row[1:])]  # the others name the index
            found.append({row[0]: dict(zip(cells[0], row, strict=True)) for row in body})
    return found


def pictures(notebook: nbformat.NotebookNode) -> list[numpy.ndarray]:
    """The figures that are shown, in order: rows of pixels, red, green and blue from 0 to 255."""
    shown = [output.get("data", {}).get("image/png") for output in outputs(notebook)]
    images = [matplotlib.image.imread(io.BytesIO(base64.b64decode(png))) for png in shown if png]
    return [(image[:, :, :3] * 255).round().astype(int) for image in images]


def inked(picture: numpy.ndarray, colour: str) -> int:
    """How many pixels are of this colour, such as #4c78a8, or half mixed with white, as thin lines
    are.
    """
    ink = 255 - numpy.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
    there = 255 - picture
    share = there @ ink / (ink @ ink)
    off = abs(there - share[:, :, None] * ink).max(axis=2)
    return int(((share > 0.5) & (share < 1.1) & (off < 16)).sum())


def number(text: str) -> float:
    return float(text.replace(",", ""))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_without_a_word_of_warning(executed, name):
    assert not [output for output in outputs(executed[name]) if output.output_type == "stream"]
    counts = [cell.execution_count for cell in executed[name].cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_the_look_at_a_day_tells_what_is_known_of_each_second(executed):
    certificate, states, *_ = tables(executed[DAY])
    assert {row["symbol"]: row["verdict"] for row in certificate.values()} == dict.fromkeys(
        worked_lake.SYMBOLS, "incomplete"
    )
    missing = {row["symbol"]: int(row["missing"]) for row in certificate.values()}
    symbol = max(missing, key=lambda name: len(worked_lake.tape(name).heard()))
    own = worked_lake.tape(symbol)
    assert missing[symbol] == len(own.trades) - len(own.heard())
    assert set(states) == {"14", "15"}
    assert int(states["14"]["dark"]) > 80 > int(states["15"]["dark"]) > 10
    assert int(states["14"]["unquoted"]) > 80 and int(states["14"]["traded"]) > 1000
    assert sum(int(row["partial"]) for row in states.values()) == 6


def test_the_tables_of_the_day_hold_the_days_trades(executed):
    _, _, minutes, spreads, sizes, quarters, parity = tables(executed[DAY])
    heard = max((worked_lake.tape(name).heard() for name in worked_lake.SYMBOLS), key=len)
    assert number(minutes["count"]["unknown_seconds"]) == 120
    assert number(minutes["count"]["close"]) < 120
    assert number(sizes["0"]["trades"]) == len(heard)
    largest = max(trade[2] * trade[3] for trade in heard)
    assert number(sizes["0"]["largest_amount"]) == pytest.approx(float(largest), rel=1e-5)
    assert 0 < number(spreads["min"]["median_bps"]) <= number(spreads["max"]["p99_bps"])
    assert len(quarters) == 4  # both holes, and both ends
    assert number(parity["equal"]["minutes"]) + number(parity["incomplete"]["minutes"]) == 120
    assert "different" not in parity


def test_the_figures_of_the_day_show_data(executed):
    states, price, spread, sizes, imbalance = pictures(executed[DAY])
    assert inked(states, "#4c78a8") > 5000 and inked(states, "#c6d7ea") > 5000
    assert inked(states, "#3d3d3d") > 300
    assert inked(price, "#4c78a8") > 200 and inked(price, "#8aa9c8") > 2000
    assert all(inked(spread, colour) > 100 for colour in ("#4c78a8", "#f2b134", "#c44e52"))
    assert inked(sizes, "#4c78a8") > 5000
    assert inked(imbalance, "#4c78a8") > 1000 and inked(imbalance, "#c44e52") > 1000


def test_macro_stands_beside_crypto_in_the_minutes_in_which_it_traded(executed):
    grid, returns, correlations, ages, futures = tables(executed[MACRO])
    [day] = grid.values()
    assert (int(day["crypto"]), int(day["spy"])) == (120, len(worked_lake.spy()))
    assert int(day["own_bars"]) == 120 - 7 and 80 < int(day["dxy"]) < 120
    after = [at_us for at_us in worked_lake.spy() if at_us - MINUTE_US in worked_lake.spy()]
    assert number(returns["spy"]["returns"]) == len(after) == number(correlations["spy"]["minutes"])
    assert number(returns["crypto"]["returns"]) == 119 > number(returns["dxy"]["returns"]) > 60
    assert all(-1 < number(row["correlation"]) < 1 for row in correlations.values())
    [aged] = ages.values()
    assert int(aged["before_the_first"]) == 31 and int(aged["fresh"]) == 120 - 31
    assert number(futures["count"]["funding_bps"]) >= 3
    assert (
        number(futures["max"]["funding_bps"]) == 1 and number(futures["min"]["funding_bps"]) == -2
    )


def test_the_figures_of_macro_show_data(executed):
    prices, correlations, ages, futures = pictures(executed[MACRO])
    assert all(inked(prices, colour) > 100 for colour in ("#4c78a8", "#c44e52", "#59a14f"))
    assert all(inked(correlations, colour) > 50 for colour in ("#59a14f", "#c44e52"))
    assert inked(ages, "#c44e52") > 100
    assert inked(futures, "#4c78a8") > 100 and inked(futures, "#59a14f") > 100


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_with_its_figures_and_nothing_of_the_machine(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert len(text) < 300_000
    notebook = json.loads(text)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert {key for cell in notebook["cells"] for key in cell["metadata"]} == set()
    read = nbformat.read(FOLDER / name, as_version=4)
    assert len(pictures(read)) >= 4 and len(tables(read)) >= 4
    assert not [output for output in outputs(read) if output.output_type in ("stream", "error")]
    without_pictures = re.sub(r'"image/png": "[^"]*"', "", text)
    here = {Path.home().name, platform.node(), "/tmp", "/home", "site-packages", "ipykernel"}
    assert [word for word in here - {""} if word in without_pictures] == []


@pytest.mark.soak
def test_the_notebooks_and_the_queries_run_on_the_lake_of_the_demo(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    process = lakes.process("demo", str(tmp_path / "example"))
    told, errors = process.communicate(timeout=300)
    assert process.returncode == 0, told + errors
    for name in NOTEBOOKS:
        assert len(pictures(execute(name, tmp_path / "notebooks"))) >= 4
    monkeypatch.chdir(tmp_path)
    with lakes.lake.connect("example") as con:
        assert [name for name, query in QUERIES.items() if not con.execute(query).fetchall()] == []
