"""What REST keeps no more comes from the archive, and a sealed day takes what comes late."""

from datetime import date

import lakes
import pytest
from aiohttp import web
from holed_lakes import TRADES, Holed, Lacking, bars, ids, make, market, repair, tape
from sealed_lakes import archived, check_promises, sums

from replay.archive import ArchiveRules
from replay.events import Trade

SYMBOL = "SOLUSDT"
SOURCE = market(start="2025-10-20T23:40:00", duration_s=3300, busy=0.1)
IDS = ids(SOURCE)
# On the first day, over midnight, and on the second.
TIMES = [event.trade_us for event in SOURCE if type(event) is Trade]
MIDDLE = sum(time_us < lakes.MIDNIGHT for time_us in TIMES)
LOST = [*IDS[50:90], *IDS[MIDDLE - 300 : MIDDLE + 300], *IDS[-90:-80]]
SOON = ArchiveRules(publish_delay_s=0)
OLD = {SYMBOL: IDS[70]}
ALL_OLD = {SYMBOL: IDS[-60]}
ZIP = f"/data/spot/daily/trades/{SYMBOL}/{SYMBOL}-trades-"


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Holed:
    return Holed(tmp_path_factory.mktemp("holed"), SOURCE, LOST)


@pytest.fixture
def holed(example):
    """A built lake with holes."""
    return example.fresh()


@pytest.fixture
def whole(example):
    return example.whole


def test_what_is_older_than_the_oldest_trade_of_rest_comes_from_the_archive(holed, whole):
    done = repair(holed, SOURCE, oldest_ids=OLD, archive=SOON, times=2)
    assert f"{len(LOST)} ids were missing, {len(LOST)} fetched, 0 left" in done.results[0].output
    files = [path for path, _ in done.asked[0] if path.startswith("/data")]
    assert files == [f"{ZIP}2025-10-20.zip", f"{ZIP}2025-10-20.zip.CHECKSUM"]
    assert bars(holed) == whole
    assert done.asked[1] == [] and done.results[1].output == "nothing is missing\n"


def without_trades(request: web.Request, number: int, body: bytes) -> web.Response | None:
    """A host that serves market data, but no single trades."""
    return web.Response(status=404) if request.path == TRADES else None


def test_a_host_without_single_trades_is_said_once_and_the_archive_asked(tmp_path):
    source = market(SYMBOL, "BNBUSDT", start="2025-10-20T23:40:00", duration_s=1500, busy=0.1)
    lost = {*ids(source)[50:60], *ids(source, "BNBUSDT")[50:60]}
    folder = make(tmp_path / "lake", source, lost)
    done = repair(folder, source, meddle=without_trades, archive=SOON)
    assert "total: 20 ids were missing, 20 fetched, 0 left" in done.said
    assert done.said.count("does not serve single trades (/api/v3/historicalTrades)") == 1
    assert len(done.pages()) == 1
    assert {row[1] for row in tape(folder)} == {0}


@pytest.mark.soak
def test_a_day_that_the_archive_has_not_yet_is_left_for_later(holed):
    said = repair(holed, SOURCE, oldest_ids=ALL_OLD).said
    assert f"{len(LOST)} ids were missing, 0 fetched, {len(LOST)} left" in said
    for day in ("2025-10-20", "2025-10-21"):
        assert f"{ZIP}{day}.zip is not there: it comes a day later" in said
    said = repair(holed, SOURCE, oldest_ids=ALL_OLD, archive=SOON).said
    first_day = sum(row[3] for row in tape(holed))
    assert (
        f"{len(LOST)} ids were missing, {first_day} fetched, {len(LOST) - first_day} left" in said
    )
    assert first_day == sum(number < IDS[MIDDLE] for number in LOST)


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (
            {"stale": ("*-20.zip",)},
            "its sha256 is not the one of its CHECKSUM, fetched twice: not used",
        ),
        pytest.param({"corrupt": ("*-20.zip",)}, "it is no whole zip", marks=pytest.mark.soak),
    ],
    ids=["stale", "corrupt"],
)
def test_a_damaged_file_is_not_used(holed, odd, told):
    rules = ArchiveRules(publish_delay_s=0, **odd)
    said = repair(holed, SOURCE, oldest_ids=OLD, archive=rules).said
    assert f"{ZIP}2025-10-20.zip: {told}" in said and "20 left" in said
    assert sum(row[1] for row in tape(holed)) == 20


@pytest.mark.soak
def test_files_with_a_header_and_milliseconds_are_read(holed):
    rules = ArchiveRules(publish_delay_s=0, header=True, micro_from=date(2026, 1, 1))
    said = repair(holed, SOURCE, oldest_ids=OLD, archive=rules).said
    assert f"{len(LOST)} fetched, 0 left" in said
    truth = {event.trade_id: event.trade_us for event in SOURCE if hasattr(event, "trade_us")}
    query = "select trade_id, epoch_us(ts_event) from trades where source = 'rest' order by 1"
    for number, time_us in lakes.ask(holed, query):
        is_old = number < IDS[70]
        assert time_us == truth[number] - is_old * truth[number] % 1000


@pytest.mark.parametrize(
    "is_checked", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["checked", "unchecked"]
)
def test_what_a_checked_file_lacks_is_absent(tmp_path, is_checked):
    lacks = IDS[55:65]
    source = Lacking(SOURCE, lacks)
    folder = make(tmp_path / "lake", source, LOST)
    rules = ArchiveRules(publish_delay_s=0, unchecked=() if is_checked else ("*",))
    said = repair(folder, source, oldest_ids=OLD, archive=rules).said
    absent, left = (10, 0) if is_checked else (0, 10)
    assert f"{left} left" in said and ("10 the exchange itself lacks" in said) == is_checked
    assert sum(row[2] for row in tape(folder)) == absent


def test_a_sealed_day_that_is_repaired_late_is_whole_and_sealed_again(holed, whole):
    assert lakes.run(holed, "compact").exit_code == 0
    day = holed / "data/raw/binance" / SYMBOL / lakes.DAY
    assert not day.exists() and "incomplete" in {row[-1] for row in tape(holed)}
    assert f"{len(LOST)} fetched, 0 left" in repair(holed, SOURCE).said
    assert {row[-1] for row in tape(holed)} == {"complete"} and bars(holed) == whole
    check_promises(holed)
    compacted = lakes.run(holed, "compact")
    assert compacted.exit_code == 0 and f"sealed {SYMBOL} {lakes.DAY}" in compacted.output
    assert "missing" not in compacted.output and not day.exists()
    check_promises(holed)
    assert archived(holed) == sums(holed) and bars(holed) == whole
    assert repair(holed, SOURCE).said == "nothing is missing\n"
    assert lakes.dry(holed) == []
