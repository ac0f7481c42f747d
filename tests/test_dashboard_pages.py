"""The dashboard in a browser: every page, on lakes of every kind, and while a build is running.

One server shows all lakes, to a browser in another zone; the full lake lies in a folder with an
awkward name.
"""

import csv
import io
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import lakes
import pytest
from browser import Browser
from dashboards import PAGES, Look, Stage, chromium, needs_browser, served
from raw_answers import give_all
from raw_lines import SECOND_US

from runner.config import load
from runner.health import health

pytestmark = needs_browser
DARK = {"name": "prefers-color-scheme", "value": "dark"}
# The colour of the page, and of the words over the first chart: red, green, blue.
COLOUR = "getComputedStyle(document.querySelector('{}')).{}.match(/\\d+/g).slice(0, 3).map(Number)"
PAPER, INK = COLOUR.format(".stApp", "backgroundColor"), COLOUR.format(".gtitle", "fill")
ZONE = "America/New_York"
NO_BARS = "This lake has no bars yet. Run lake collect, then lake build."
EMPTY = {
    "Market": NO_BARS,
    "Data quality": NO_BARS,
    "Macro and DXY": "This lake has no macro data yet. Run lake macro.",
    "Funding and open interest": (
        "This lake has no funding rates and open interest yet. Run lake derivatives."
    ),
    "Health": "STOPPED nothing was ever collected in ",
    "SQL": NO_BARS,
}
CERTIFICATES = (
    "select day, symbol, verdict, count as trades, missing, duplicates, repaired, absent_upstream,"
    " first_id, last_id from tape order by day desc, symbol"
)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with everything: bars of each state, klines, macro, funding, lines that cannot be
    read, a validation that fails.
    """
    folder = lakes.make_two_days(tmp_path_factory.mktemp("full") / "it's 50% [a] lake")
    moments = [n for n in range(120) if n not in range(40, 60) and n % 7]
    ids = [number + (500 if n > 50 else 0) for number, n in enumerate(moments)]
    rows = [
        lakes.trade("XRPUSDT", number, lakes.MIDNIGHT - (7200 - n) * SECOND_US)
        for number, n in zip(ids, moments, strict=True)
    ]
    lakes.put(folder, "XRPUSDT", rows)
    lakes.part(folder, "XRPUSDT", lakes.MIDNIGHT, b'{"symbol":"XRPUSDT","stream":\n')
    lakes.bring(folder)
    give_all(folder)
    lakes.run(folder, "validate", "--start", "2025-10-20", "--end", "2025-10-22")
    return folder


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with chromium() as one:
        one.send("Emulation.setTimezoneOverride", timezoneId=ZONE)
        yield one


@pytest.fixture(scope="module")
def open_lake(
    window: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], Look]]:
    """Opens a lake in the browser, where it is not open yet."""
    stage = Stage(tmp_path_factory.mktemp("stage"))
    with served(stage.folder) as url:
        opened: list[tuple[Path, Look]] = []

        def open_one(folder: Path) -> Look:
            if not opened or opened[-1][0] != folder:
                stage.show(folder)
                opened.append((folder, Look(window, url)))
            return opened[-1][1]

        yield open_one


@pytest.fixture
def look(open_lake: Callable[[Path], Look], full: Path) -> Look:
    """The full lake, at the seconds of its first symbol."""
    look = open_lake(full)
    look.visit("Market")
    look.choose("Symbol", "BTCUSDT")
    look.press("1s")
    look.until("The rows of this chart (1,4")
    return look


def names_of(look: Look) -> set[str]:
    """What the legend of the first chart lists."""
    return {name for name, *_ in look.traces()}


def known(look: Look) -> tuple[int, int]:
    """The candles of the chart on the page: all, and those with a price."""
    [(_, _, points, priced)] = [one for one in look.traces() if one[1] == "candlestick"]
    return points, priced


def test_every_page_of_an_empty_lake_says_what_to_do(open_lake, tmp_path):
    look = open_lake(lakes.make(tmp_path / "lake"))
    for title in PAGES:
        look.visit(title)
        assert look.alerts()[0].startswith(EMPTY[title])
        assert look.faults() == []


def test_every_page_of_the_demo_shows_its_data_on_a_dark_screen(window, open_lake, tmp_path):
    folder = tmp_path / "demo"
    process = lakes.process("demo", str(folder))
    assert process.communicate(timeout=300) and process.returncode == 0
    window.send("Emulation.setEmulatedMedia", features=[DARK])
    try:
        look = open_lake(folder)
        query = "select state, count(*) from bars_1s where symbol = 'BTCUSDT' group by 1"
        states = dict(lakes.ask(folder, query))
        assert known(look) == (sum(states.values()) - states.get("dark", 0),) * 2
        assert {"partial (ids missing)", "VWAP", "volume, up"} <= names_of(look)
        assert max(window.run(PAPER)) < 80 and min(window.run(INK)) > 180
        for title in PAGES:
            text = look.visit(title)
            assert "UTC" in text and look.faults() == []
            if title in ("Macro and DXY", "Funding and open interest"):
                assert all(one[3] for number in (0, 1) for one in look.traces(number))
    finally:
        window.send("Emulation.setEmulatedMedia", features=[])


def test_every_page_of_a_full_lake_has_its_charts(look, full):
    charts = {
        "Market": ["candlestick"],
        "Data quality": ["heatmap"],
        "Macro and DXY": ["scatter", "scatter"],
        "Funding and open interest": ["scatter", "scatter"],
    }
    for title, kinds in charts.items():
        text = look.visit(title)
        for number, kind in enumerate(kinds):
            drawn = look.traces(number)
            assert kind in {one[1] for one in drawn}
            assert all(one[3] for one in drawn if one[1] == "scatter"), (title, drawn)
            assert " UTC" in look.title(number)
        told = ["No stream was off in this range."] if title == "Data quality" else []
        assert look.alerts() == told
        if told:
            for part in ("Completeness", "Tape", "Outages", "Latency", "Parity", "Validation"):
                assert part in text
    assert look.faults() == []


def test_the_symbol_the_timeframe_and_the_overlays_change_the_chart(look, full):
    query = "select count(*), min(window_start)::varchar from {} where symbol = 'BTCUSDT'"
    [(minutes, first)] = lakes.ask(full, query.format("bars_1m"))
    [(seconds, _)] = lakes.ask(full, query.format("bars_1s"))
    assert seconds > 1500 and "resampled" in look.title()
    axis = "document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range[0]"
    assert look.browser.run("new Date(2025, 9, 20).getTimezoneOffset()") == 240
    assert f"{look.browser.run(axis)[:16]}:00+00".replace("T", " ") == first
    look.press("1m")
    look.until(f"The rows of this chart ({minutes:,})")
    assert known(look) == (minutes, minutes) and "resampled" not in look.title()
    for symbol in ("XRPUSDT", "SOLUSDT", "XRPUSDT"):  # chosen faster than they are drawn
        look.choose("Symbol", symbol)
    look.press("1s")
    look.press("bid and ask")
    for place, text in (("gtitle", "XRPUSDT"), ("gtitle", "1s bars"), ("legend", "bid")):
        look.browser.until(f"document.querySelector('.{place}')?.textContent.includes('{text}')")
    states = {"quiet (nobody traded)", "partial (ids missing)", "dark (no trade known)"}
    assert states | {"bid", "ask"} <= names_of(look)
    look.browser.resize(390, 900)
    try:
        look.browser.until("document.querySelector('.js-plotly-plot').clientWidth < 390")
        assert look.browser.run("document.documentElement.scrollWidth") <= 390
    finally:
        look.browser.resize(1280, 900)
    assert look.faults() == []


def test_downloads_are_what_the_query_gives(look, full, tmp_path):
    look.press("1d")
    look.until("The rows of this chart (2)")
    with look.downloaded("candles_BTCUSDT", "csv", tmp_path).open(encoding="utf-8") as file:
        candles = list(csv.DictReader(file))
    query = "select close::varchar, trade_count::varchar from bars_1d where symbol = 'BTCUSDT'"
    rows = lakes.ask(full, f"{query} order by day")
    assert [(row["close"], row["trade_count"]) for row in candles] == rows
    look.visit("Data quality")
    told = lakes.run(full, "sql", CERTIFICATES, "--format", "csv")
    text = look.downloaded("certificates", "csv", tmp_path).read_text(encoding="utf-8")
    assert text == told.stdout and len(list(csv.reader(io.StringIO(text)))) == 6
    file = look.downloaded("certificates", "parquet", tmp_path)
    with duckdb.connect() as con:  # the module's own connection may be busy with another test
        rows = con.execute(f"from '{file.as_posix()}'").fetchall()
    assert rows == lakes.ask(full, CERTIFICATES)
    assert look.faults() == []


def test_the_box_answers_explains_and_refuses(look, tmp_path):
    look.visit("SQL")

    def asked(query: str, *signs: str) -> None:
        look.browser.click("document.querySelector('textarea')")
        look.browser.press("a", 65, modifiers=2)
        look.browser.type(query)
        look.press("Run")
        look.until(*signs)

    asked("select 40 + 2 as answer, symbol from tape order by symbol limit 4", "4 rows")
    file = look.downloaded("query", "csv", tmp_path)
    assert file.read_text(encoding="utf-8").splitlines()[:2] == ["answer,symbol", "42,BTCUSDT"]
    asked("explain from tape", "READ_PARQUET")
    asked("select max(ts_event) - min(ts_event) as took from trades", "1 rows", "No Parquet")
    asked("select if(i = 999, error('late'), i) from range(1000) t(i)", "Invalid Input Error: late")
    target = tmp_path / "written.csv"
    asked(f"with a as (copy (select 1) to '{target.as_posix()}') from a", "one query that reads")
    asked("from nowhere", "nowhere does not exist")
    assert not target.exists() and look.faults() == []


def test_faults_of_a_lake_are_shown_beside_the_rest_and_new_bars_by_themselves(
    open_lake, full, tmp_path
):
    folder = Path(shutil.copytree(full, tmp_path / "lake"))
    (folder / "data" / "catalog.sql").unlink()  # it names the place of the other lake
    broken = folder / "data" / lakes.place("tape_days", "BTCUSDT", lakes.DAY)
    broken.write_bytes(broken.read_bytes()[:100])
    lake = load(folder)
    health.write(lake, health.blank(lake, health.HEALTHY, "everything arrives"))
    look = open_lake(folder)
    look.choose("Refresh every", "15 s")
    look.visit("Health")
    assert look.alerts()[0].startswith("ERROR lake run is dead")
    lines = look.downloaded("unread_lines", "csv", tmp_path / "files").read_text("utf-8")
    assert "XRPUSDT" in lines and "not JSON" in lines
    look.visit("Data quality")
    assert look.traces()[0][1] == "heatmap"
    [told] = [text for text in look.alerts() if "cannot be read" in text]
    assert "2025-10-20.parquet" in told and "lake build" in told
    validations = look.downloaded("validations", "csv", tmp_path / "files").read_text("utf-8")
    assert ",FAIL," in validations and "R8" in validations
    look.visit("Market")
    look.choose("Symbol", "SOLUSDT")
    look.press("1h")
    look.until("The rows of this chart (4)")
    late = lakes.trade("SOLUSDT", 95, lakes.MIDNIGHT + 3600 * SECOND_US)
    lakes.put(folder, "SOLUSDT", [late])
    lakes.bring(folder)
    look.until("The rows of this chart (5)")
    assert "cannot be read" not in look.visit("Data quality") and look.faults() == []


def test_while_builds_replace_every_file_the_figures_stay_the_same(look, full):
    done = threading.Event()
    failed: list[str] = []

    def build_on() -> None:
        while not done.is_set():
            failed.extend(lakes.attempt(full, full_refresh=True))

    builder = threading.Thread(target=build_on)
    builder.start()
    try:
        seen = set()
        for _ in range(2):
            look.visit("Data quality")
            heat = tuple(map(tuple, look.traces()))
            look.visit("Market")
            look.press("1h")
            look.browser.until("document.querySelector('.gtitle')?.textContent.includes('1h bars')")
            seen.add((heat, known(look)))
            assert look.faults() == [] and look.alerts() == []
    finally:
        done.set()
        builder.join()
    assert len(seen) == 1 and failed == []


@pytest.mark.soak
def test_two_browsers_on_two_lakes_do_not_disturb_each_other(look, full, tmp_path):
    first = look.title()
    with served(lakes.make(tmp_path / "lake")) as url, chromium() as other:
        for title in PAGES:
            assert Look(other, url).visit(title) and look.visit(title)
        assert look.visit("Market") and look.title() == first and look.faults() == []


@pytest.mark.soak
def test_a_test_run_is_marked_as_one(window, tmp_path):
    folder = lakes.make(tmp_path / "lake", "testing: {enabled: true}\n")
    with served(folder) as url:
        look = Look(window, url)
        assert "MODE: TEST" in look.visit("Health")
