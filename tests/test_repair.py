"""`lake repair`: what is missing is fetched by id, exactly that, and once."""

import json
from pathlib import Path

import lakes
import pytest
from holed_lakes import TRADES, Holed, Lacking, Repairs, bars, ids, make, market, repair, tape

SYMBOL = "SOLUSDT"
SOURCE = market()
IDS = ids(SOURCE)
# A single id, some near each other, a page and more.
LOST = {*IDS[50:51], *IDS[100:130], *IDS[150:151], *IDS[1500:3700]}


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Holed:
    return Holed(tmp_path_factory.mktemp("holed"), SOURCE, LOST)


@pytest.fixture(scope="module")
def repaired(example) -> tuple[Path, Repairs]:
    """A lake with holes that was repaired twice. Only look."""
    folder = example.fresh()
    return folder, repair(folder, SOURCE, times=2)


def repair_lines(folder) -> dict[str, list[dict]]:
    """The raw lines of the repair files, by day/name."""
    parts = sorted((folder / "data/raw/binance").rglob("repair_*.jsonl"))
    texts = {f"{part.parent.name}/{part.name}": part.read_text("utf-8") for part in parts}
    return {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}


def test_after_a_repair_the_bars_are_those_of_a_lake_that_lost_nothing(repaired, example):
    folder, done = repaired
    assert [result.exit_code for result in done.results] == [0, 0], done.results[0].output
    assert (
        f"{len(LOST):,} ids were missing, {len(LOST):,} fetched, 0 left" in done.results[0].output
    )
    assert tape(folder) == [(SYMBOL, 0, 0, len(LOST), "complete")]
    assert bars(folder) == example.whole
    assert done.results[1].output == "nothing is missing\n" and done.asked[1] == []
    assert lakes.dry(folder) == []


def test_near_holes_cost_one_request_and_each_page_begins_with_a_known_trade(repaired):
    _, done = repaired
    begins = done.pages()
    assert begins == [IDS[49], IDS[1499], IDS[1499 + 999], IDS[1499 + 2 * 999]]
    assert all(query["limit"] == "1000" for path, query in done.asked[0] if path == TRADES)


def test_a_repaired_trade_is_a_raw_line_like_any_other_but_for_its_source(repaired):
    found = repair_lines(repaired[0])
    last = max(number for number in LOST if number < IDS[1500])
    assert len(found) == 2 and f"2025-10-20/repair_14_{IDS[50]}_{last}.jsonl" in found
    lines = [line for part in found.values() for line in part]
    truth = {e.trade_id: e for e in SOURCE if getattr(e, "trade_id", None) in LOST}
    assert [line["trade_id"] for line in lines] == sorted(LOST)
    for line in lines:
        event = truth[line["trade_id"]]
        side = "sell" if event.buyer_is_maker else "buy"
        own = {"price": event.price, "qty": event.qty, "side": side, "source": "rest"}
        own |= {"event_time": None, "conn": None, "ts_recv": line["ts_recv"]}
        expected = lakes.trade(SYMBOL, event.trade_id, event.trade_us) | own
        assert list(line.items()) == list(expected.items())
    end_us = max(max(event.recv_us, getattr(event, "trade_us", 0) + 1) for event in SOURCE)
    assert {line["ts_recv"] for line in lines} == {end_us}


def test_holes_over_hours_and_midnight_are_filed_where_the_trades_belong(tmp_path):
    source = market(start="2025-10-20T22:58:00", duration_s=4200, busy=0.05)
    known = ids(source)
    lost = known[20:-20]
    folder = make(tmp_path / "lake", source, lost)
    whole = make(tmp_path / "whole", source)
    lakes.bring(whole)
    assert f"{len(lost):,} fetched, 0 left" in repair(folder, source).said
    found = repair_lines(folder)
    for name, lines in found.items():
        day, hour = name.split("/")[0], int(name.split("_")[1])
        times = [line["ts_event"] for line in lines]
        assert {lakes.day_of(time) for time in times} == {day}
        assert {time // 3_600_000_000 % 24 for time in times} == {hour}
    assert {name[:20] for name in found} == {
        "2025-10-20/repair_22",
        "2025-10-20/repair_23",
        "2025-10-21/repair_00",
    }
    assert bars(folder) == bars(whole)
    assert {row[-1] for row in tape(folder)} == {"complete"}


def test_ids_that_the_exchange_lacks_are_absent_and_never_asked_for_again(tmp_path):
    known = ids(SOURCE)
    lacks, lost = known[200:220], known[190:260]
    source = Lacking(SOURCE, lacks)
    folder = make(tmp_path / "lake", source, lost)
    done = repair(folder, source, times=2)
    assert (
        "70 ids were missing, 50 fetched, 20 the exchange itself lacks, 0 left"
        in done.results[0].output
    )
    # what is missing twice in a row is believed
    assert done.pages() == [known[189], known[189]]
    assert tape(folder) == [(SYMBOL, 0, 20, 50, "complete")]
    [lines] = repair_lines(folder).values()
    assert [(one["first_id"], one["last_id"]) for one in lines if one["stream"] == "absent"] == [
        (lacks[0], lacks[-1])
    ]
    assert done.results[1].output == "nothing is missing\n" and done.asked[1] == []


@pytest.mark.soak
def test_ids_at_the_edges_of_a_hole_can_be_absent_too(tmp_path):
    known = ids(SOURCE)
    lacks = {*known[300:303], *known[350:353], *known[500:501], known[1298], known[1299]}
    source = Lacking(SOURCE, lacks)
    folder = make(tmp_path / "lake", source, [*known[300:353], *known[500:501], *known[900:1301]])
    done = repair(folder, source, times=2)
    assert f"{len(lacks)} the exchange itself lacks, 0 left" in done.results[0].output
    assert tape(folder)[0][1:3] == (0, len(lacks)) and done.asked[1] == []


def test_what_is_lacking_since_a_moment_is_asked_for_again(tmp_path):
    known = ids(SOURCE)
    lacks = known[-30:-20]
    source = Lacking(SOURCE, lacks)
    folder = make(tmp_path / "lake", source)
    done = repair(folder, source, times=2)
    for result in done.results:
        assert "10 ids were missing, 0 fetched, 10 left" in result.output
        assert "10 ids are too new to be absent for good" in result.output
        assert result.exit_code == 0
    assert done.pages(0) and done.pages(0) == done.pages(1)
    assert tape(folder)[0][1:3] == (10, 0)
    later = Lacking(market(duration_s=2400), lacks)
    assert ids(later)[: len(known) - 10] == ids(source)
    assert "10 the exchange itself lacks, 0 left" in repair(folder, later).said


def test_a_large_hole_is_listed_with_its_cost_and_fetched_with_all(tmp_path):
    config = "repair: {max_ids_per_hole: 1999}\n"
    folder = make(tmp_path / "lake", SOURCE, LOST, config)
    small = len(LOST) - 2200
    done = repair(folder, SOURCE, times=2)
    first = done.results[0].output
    assert f"{len(LOST):,} ids were missing, {small} fetched, 2,200 left" in first
    assert "2,200 ids between 2025-10-20 1" in first
    assert "more than repair.max_ids_per_hole (1,999): 3 requests, weight 75, 1 minute;" in first
    assert "`lake repair --symbols SOLUSDT --all` does it" in first
    assert "2,200 ids were missing, 0 fetched, 2,200 left" in done.results[1].output
    assert done.asked[1] == []
    assert "2,200 ids were missing, 2,200 fetched, 0 left" in repair(folder, SOURCE, "--all").said
    assert tape(folder)[0][1] == 0


@pytest.mark.soak
def test_symbols_choose_what_is_repaired(tmp_path):
    source = market("SOLUSDT", "BNBUSDT")
    lost = [*ids(source)[100:120], *ids(source, "BNBUSDT")[100:130]]
    folder = make(tmp_path / "lake", source, lost)
    lakes.bring(folder)
    said = repair(folder, source, "--symbols", "BNBUSDT").said
    assert "BNBUSDT: 30 ids were missing, 30 fetched, 0 left" in said and "SOLUSDT" not in said
    said = repair(folder, source).said
    assert "SOLUSDT: 20 ids" in said and "total: 20 ids were missing, 20 fetched, 0 left" in said
    refused = repair(folder, source, "--symbols", "SOLUSD").results[0]
    assert refused.exit_code == 1 and "did you mean 'SOLUSDT'?" in refused.output
