"""The dashboard in a browser: every page, on lakes of every kind, and while a build is running."""

import csv
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import dashboards
import duckdb
import lakes
import pytest
from browser import Browser
from dashboards import PAGES, Look, chromium, needs_browser, served
from lakes import NOON
from raw_answers import give_all
from raw_lines import SECOND_US

from runner.config import load
from runner.health import health

pytestmark = needs_browser
EMPTY = {
    "Market": "This lake has no bars yet. Run lake collect, then lake build.",
    "Data quality": "This lake has no bars yet. Run lake collect, then lake build.",
    "Macro and DXY": "This lake has no macro data yet. Run lake macro.",
    "Funding and open interest": (
        "This lake has no funding rates and open interest yet. Run lake derivatives."
    ),
    "Health": "STOPPED nothing was ever collected in ",
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with everything: bars, klines, macro, funding, a validation."""
    folder = lakes.make_two_days(tmp_path_factory.mktemp("full") / "lake")
    lakes.bring(folder)
    give_all(folder)
    lakes.run(folder, "validate", "--start", "2025-10-20", "--end", "2025-10-22")
    return folder


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def full_url(full: Path) -> Iterator[str]:
    with served(full) as url:
        yield url


@pytest.fixture
def look(window: Browser, full_url: str) -> Look:
    return Look(window, full_url)


def holed(folder: Path) -> Path:
    """A lake with quiet, partial and dark seconds, an unreadable line and a damaged file."""
    lakes.make(folder)
    moments = [n for n in range(120) if n not in range(40, 60) and n % 7]
    ids = [number + (500 if n > 50 else 0) for number, n in enumerate(moments)]
    rows = [
        lakes.trade("SOLUSDT", number, NOON + n * SECOND_US)
        for number, n in zip(ids, moments, strict=True)
    ]
    lakes.put(folder, "SOLUSDT", rows)
    lakes.part(folder, "SOLUSDT", NOON + 600 * SECOND_US, b'{"symbol":"SOLUSDT","stream":')
    lakes.put(folder, "BTCUSDT", [lakes.trade("BTCUSDT", 1, NOON), lakes.trade("BTCUSDT", 2, NOON)])
    lakes.bring(folder)
    broken = folder / "data" / lakes.place("tape_days", "BTCUSDT", "2025-10-20")
    broken.write_bytes(broken.read_bytes()[:100])
    return folder


def names_of(look: Look) -> set[str]:
    """What the legend of the first chart lists."""
    return {name for name, *_ in look.traces()}


def known(look: Look) -> tuple[int, int]:
    """The candles of the chart on the page: all, and those with a price."""
    [(_, _, points, priced)] = [one for one in look.traces() if one[1] == "candlestick"]
    return points, priced


def test_every_page_of_an_empty_lake_says_what_to_do(window, tmp_path):
    with served(lakes.make(tmp_path / "lake")) as url:
        look = Look(window, url)
        for title in PAGES:
            look.visit(title)
            assert look.faults() == []
            if title in EMPTY:
                assert look.alerts()[0].startswith(EMPTY[title])


def test_every_page_of_the_demo_shows_its_data(window, tmp_path):
    process = lakes.process("demo", str(tmp_path / "demo"))
    assert process.communicate(timeout=300) and process.returncode == 0
    with served(tmp_path / "demo") as url:
        look = Look(window, url)
        states = dict(
            lakes.ask(
                tmp_path / "demo",
                "select state, count(*) from bars_1s where symbol = 'BTCUSDT' group by 1",
            )
        )
        assert known(look) == (sum(states.values()) - states.get("dark", 0),) * 2
        assert {"partial (ids missing)", "VWAP", "volume, up"} <= names_of(look)
        for title in PAGES:
            text = look.visit(title)
            assert "UTC" in text and look.faults() == []
        assert look.visit("Data quality") and look.traces()[0][1] == "heatmap"


@pytest.mark.soak
def test_a_lake_with_faults_shows_them_and_the_rest(window, tmp_path):
    folder = holed(tmp_path / "lake")
    with served(folder) as url:
        look = Look(window, url)
        look.choose("Symbol", "SOLUSDT")
        look.browser.until("document.querySelector('.gtitle')?.textContent.includes('SOLUSDT')")
        states = {"quiet (nobody traded)", "partial (ids missing)", "dark (no trade known)"}
        assert states <= names_of(look)
        for title in PAGES:
            look.visit(title)
            assert look.faults() == []
        look.visit("Data quality")
        assert look.traces()[0][1] == "heatmap"
        [told] = [text for text in look.alerts() if "cannot be read" in text]
        assert "2025-10-20.parquet" in told and "lake build" in told


def test_every_page_of_a_full_lake_has_its_charts(look):
    charts = {
        "Market": ["candlestick"],
        "Data quality": ["heatmap"],
        "Macro and DXY": ["scatter", "scatter"],
        "Funding and open interest": ["scatter", "scatter"],
    }
    for title, kinds in charts.items():
        look.visit(title)
        for number, kind in enumerate(kinds):
            drawn = look.traces(number)
            assert kind in {one[1] for one in drawn}
            assert all(one[3] for one in drawn if one[1] == "scatter"), (title, drawn)
            assert "UTC" in look.title(number)
    text = look.visit("Data quality")
    assert look.alerts() == ["No stream was off in this range."]
    for part in ("Completeness", "Tape", "Outages", "Latency", "Parity", "Validation"):
        assert part in text
    assert look.faults() == []


@pytest.mark.soak
def test_the_timeframe_the_range_and_the_overlays_change_the_chart(look, full):
    look.visit("Market")
    query = """
        select count(*) from {} where symbol = 'BTCUSDT'"""
    [(minutes,)] = lakes.ask(full, query.format("bars_1m"))
    [(seconds,)] = lakes.ask(full, query.format("bars_1s"))
    assert seconds > 1500 and "resampled" in look.title()
    look.press("1m")
    look.browser.until("document.querySelector('.gtitle')?.textContent.includes('1m bars')")
    assert known(look) == (minutes, minutes) and "resampled" not in look.title()
    look.press("bid and ask")
    look.browser.until("document.querySelector('.legend')?.textContent.includes('bid')")
    assert {"bid", "ask"} <= names_of(look)
    look.choose("Range", "15 minutes")
    look.press("1s")
    look.browser.until("document.querySelector('.gtitle')?.textContent.includes('1s bars')")
    look.browser.until(f"{dashboards.RESTS} && document.body.innerText.includes('The 900 rows')")
    assert known(look)[0] == 900 and "resampled" not in look.title()
    assert look.faults() == []


@pytest.mark.soak
def test_times_are_utc_in_a_browser_of_another_zone(look, full):
    query = "select min(window_start)::varchar from bars_1s where symbol = 'BTCUSDT'"
    [(first,)] = lakes.ask(full, query)
    look.browser.send("Emulation.setTimezoneOverride", timezoneId="America/New_York")
    try:
        look = Look(look.browser, look.url)
        look.traces()
        offset = look.browser.run("new Date(2025, 9, 20).getTimezoneOffset()")
        start = look.browser.run(
            "document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range[0]"
        )
    finally:
        look.browser.send("Emulation.setTimezoneOverride", timezoneId="")
    assert offset == 240
    assert f"{start[:16]}:00+00".replace("T", " ") == first


def test_downloads_are_what_the_query_gives(look, full, tmp_path):
    look.visit("Data quality")
    query = (
        "select day, symbol, verdict, count as trades, missing, duplicates, repaired, "
        "absent_upstream, first_id, last_id from tape order by day desc, symbol"
    )
    told = lakes.run(full, "sql", query, "--format", "csv")
    text = look.downloaded("certificates", "csv", tmp_path).read_text(encoding="utf-8")
    assert text == told.stdout and len(list(csv.reader(io.StringIO(text)))) == 5
    file = look.downloaded("certificates", "parquet", tmp_path)
    with duckdb.connect() as con:  # the module's own connection may be busy with another test
        rows = con.execute(f"from '{file.as_posix()}'").fetchall()
    assert rows == lakes.ask(full, query)
    assert look.faults() == []


def test_the_box_answers_and_refuses(look, tmp_path):
    look.visit("SQL")

    def asked(query: str, sign: str) -> None:
        look.browser.click("document.querySelector('textarea')")
        look.browser.press("a", 65, modifiers=2)
        look.browser.type(query)
        look.press("Run")
        look.browser.until(f"document.body.innerText.includes({sign!r}) && {dashboards.RESTS}")

    asked("select 40 + 2 as answer, symbol from tape order by symbol limit 3", "3 rows")
    file = look.downloaded("query", "csv", tmp_path)
    assert file.read_text(encoding="utf-8").splitlines()[:2] == ["answer,symbol", "42,BTCUSDT"]
    target = tmp_path / "written.csv"
    asked(f"with a as (copy (select 1) to '{target.as_posix()}') from a", "one query that reads")
    asked("from nowhere", "nowhere does not exist")
    assert not target.exists() and look.faults() == []


@pytest.mark.soak
def test_a_page_shows_new_bars_by_itself(window, tmp_path):
    folder = lakes.make(tmp_path / "lake")
    lakes.put(folder, "SOLUSDT", [lakes.trade("SOLUSDT", n, NOON + n * SECOND_US) for n in (1, 2)])
    lakes.bring(folder)
    with served(folder) as url:
        look = Look(window, url)
        assert known(look) == (2, 2)
        look.choose("Refresh every", "15 s")
        more = [lakes.trade("SOLUSDT", n, NOON + n * SECOND_US) for n in range(3, 10)]
        lakes.put(folder, "SOLUSDT", more)
        lakes.bring(folder)
        look.browser.until("document.body.innerText.includes('The 9 rows of this chart')")
        assert known(look) == (9, 9) and look.faults() == []


def test_while_builds_replace_every_file_the_figures_stay_the_same(full, look):
    done = threading.Event()
    failed: list[str] = []

    def build_on() -> None:
        while not done.is_set():
            failed.extend(lakes.attempt(full, full_refresh=True))

    builder = threading.Thread(target=build_on)
    builder.start()
    try:
        seen = set()
        for _ in range(5):
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
def test_a_run_that_was_killed_is_not_called_healthy(look, full):
    lake = load(full)
    health.write(lake, health.blank(lake, health.HEALTHY, "everything arrives"))
    look.visit("Health")
    assert look.alerts()[0].startswith("ERROR `lake run` is dead".replace("`", ""))
    assert look.faults() == []


@pytest.mark.soak
def test_a_test_run_is_marked_as_one(window, tmp_path):
    folder = lakes.make(tmp_path / "lake", "testing: {enabled: true}\n")
    with served(folder) as url:
        look = Look(window, url)
        assert "MODE: TEST" in look.visit("Health")
