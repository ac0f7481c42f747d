"""`lake why`: one bar explained, on lakes small enough to know the answer."""

import json
import shutil
from copy import deepcopy
from pathlib import Path

import lakes
import pytest
from lakes import DAY, MIDNIGHT, NOON, absent, quote, trade
from raw_lines import DAY_US, SECOND_US, write, write_repairs
from sealed_lakes import LATE_US, SYMBOL, bring_late, compact
from test_build_states import ODD, predecessor_lines, states_tape, us

from runner.build.packed import content, read_index
from runner.moments import Moment, iso


def told(folder: Path, time_us: int, symbol: str = SYMBOL, *options: str) -> dict:
    """What `lake why` says, a list of rows a section; every raw line that it names is looked up."""
    result = lakes.run(folder, "why", symbol, iso(time_us), "--format", "json", *options)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    raw = folder / ("data-test" if "--testing" in options else "data") / "raw/binance" / symbol
    for row in answer["trades"] + answer["rejected"]:
        assert row["line"] is None or raw_line(raw, row)["trade_id"] == row["trade_id"]
    for row in answer["quote"]:
        assert row["line"] is None or is_of_quote(raw_line(raw, row), row)
    return answer


def raw_line(raw: Path, row: dict) -> dict:
    """The raw line that a row of the answer points at, as it stands there."""
    place, name = row["raw_file"].split("/")
    path = raw / place
    if path.is_file():
        [part] = [part for part in read_index(path).parts if part.name == name]
        text = content(path, part)
    else:
        text = (path / name).read_bytes()
    return json.loads(text.splitlines()[row["line"] - 1])


def is_of_quote(line: dict, row: dict) -> bool:
    id = line.get("update_id", line["ts_recv"] * 1000)  # other recorders have none
    return id == row["update_id"] and float(line["bid"]) == float(row["bid"])


def refusal(folder: Path, *arguments: str) -> str:
    result = lakes.run(folder, "why", *arguments)
    assert result.exit_code == 1 and "Traceback" not in result.output
    return result.output


def said(section: list[dict]) -> str:
    return "\n".join(row["said"] for row in section)


@pytest.fixture(scope="module")
def states(tmp_path_factory) -> Path:
    """A lake of small tapes. STATES: ids 1 to 9 in nine seconds; 5 and 6 were never heard, or not
    so that they can be read; 2 was heard twice. LACKING: the exchange itself lacks these two. LATE:
    the third was heard two hours later. OLD: of another recorder. GAP: a day was not recorded.
    """
    folder = lakes.make(tmp_path_factory.mktemp("why") / "lake")
    rows = [*states_tape("STATES"), trade("STATES", 2, us(1), "102", "2", ts_recv=us(1.2))]
    unread = [trade("STATES", 5, us(4.2), "1.123456789"), trade("STATES", 6, us(5.2), side="hold")]
    lakes.put(folder, "STATES", [*rows, *unread, quote("STATES", 9, us(2.5))])
    lakes.put(folder, "_sessions", lakes.sessions(us(0), us(8), ["STATES"]))
    lakes.put(folder, "LACKING", states_tape("LACKING"))
    write_repairs(folder / "data", "LACKING", [absent("LACKING", 5, 6, us(4))])
    late = [{}, {}, {"ts_recv": us(2 * 3600)}, {}]
    heard = [trade("LATE", id, us(id), **own) for id, own in enumerate(late)]
    lakes.put(folder, "LATE", heard)
    text = "".join(f"{json.dumps(row)}\n" for row in predecessor_lines("OLD")).encode()
    lakes.part(folder, "OLD", NOON, text)
    lakes.put(folder, "GAP", [trade("GAP", id, us(0) + id * DAY_US) for id in (0, 2)])
    lakes.bring(folder)
    return folder


@pytest.fixture(scope="module")
def answers(states) -> dict[int, dict]:
    """What is said of each of its seconds; TIME may lie anywhere in the second."""
    return {second: told(states, us(second + 0.7), "STATES") for second in WORDS}


WORDS = {
    0: ("partial", "what came before the first known trade is not known"),
    1: ("traded", "the trade before it is 1, the one after 4: no id is missing"),
    2: ("quiet", "nobody traded: no id between the trades around it, 3 and 4, is missing"),
    3: ("partial", "2 ids between 4 and 7 are not here"),
    4: ("dark", "no trade of it is known, and 2 ids between 4 and 7 are not here; no price"),
    7: ("partial", "the id after the last known trade is not known yet"),
}


@pytest.mark.parametrize("second", WORDS)
def test_the_state_is_said_in_words_with_the_ids_around_it(answers, second):
    assert answers[second]["second"] == iso(us(second))
    assert WORDS[second][1] in said(answers[second]["state"])


def test_people_read_the_same_as_text(states, answers):
    text = lakes.run(states, "why", "STATES", iso(us(4))).output
    assert f"Why it is dark\n  {WORDS[4][1]}" in text
    assert "Its trades: it has none" in text
    assert max(len(line) for line in text.splitlines() if str(states) not in line) <= 80
    text = " ".join(text.split())
    for section in answers[4].values():
        for row in section if isinstance(section, list) else ():
            assert all(str(value) in text for value in row.values() if value is not None)


def test_each_line_of_a_trade_is_shown_the_copy_as_such(states, answers):
    rows = answers[1]["trades"]
    assert [(row["trade_id"], row["source"]) for row in rows] == [
        (2, "heard"),
        (2, "heard, a copy"),
        (3, "heard"),
    ]
    assert len({row["line"] for row in rows}) == 3


def test_lines_beside_it_that_could_not_be_read_are_shown_with_why(answers):
    reasons = ["a price or quantity is not a decimal number of at most 8 decimals"]
    reasons += ["side is neither buy nor sell"]
    found = [(row["trade_id"], row["reason"]) for row in answers[4]["rejected"]]
    assert found == list(zip((5, 6), reasons, strict=True))  # either may be what is missing
    assert all(row["line"] for row in answers[4]["rejected"])
    assert answers[1]["rejected"] == []


def test_the_quote_counts_only_while_the_stream_is_on(states, answers):
    [row] = answers[4]["quote"]
    assert row["counts"] == "yes" and row["update_id"] == 9 and row["line"]
    assert answers[1]["quote"] == []
    [row] = answers[7]["quote"]
    assert row["counts"].startswith("no: the stream was off")
    assert said(answers[4]["cover"]).startswith("on from 2025-10-20 12:00:00")


def test_the_rules_that_a_bar_breaks_are_named(answers):
    rules = {row["rule"][:2]: row["detail"] for row in answers[4]["rules"]}
    assert "dark" in rules["R5"] and "2 trade ids are missing" in rules["R8"]
    assert "R5" not in {row["rule"][:2] for row in answers[2]["rules"]}


def test_a_trade_and_a_quote_of_a_sealed_day_are_found_in_its_packed_raw(sealed_day):
    answer = told(sealed_day, MIDNIGHT - 120 * SECOND_US + 31 * 3_700_000)
    [row, quoted] = answer["trades"] + answer["quote"]
    assert row["line"] and quoted["line"]
    assert ".jsonl.zst/" in row["raw_file"]
    assert "sealed at" in said(answer["day"]) and answer["rules"] == []


def test_sealing_changes_no_word_of_a_bar_but_where_its_lines_stand(states, answers, tmp_path):
    folder = shutil.copytree(states, tmp_path / "lake")
    compact(folder, "--symbols", "STATES")
    for second in (0, 1, 2, 4):  # partial, traded, quiet, dark
        before, after = deepcopy(answers[second]), told(folder, us(second), "STATES")
        packed = [row["raw_file"] for row in after["trades"] + after["rejected"] + after["quote"]]
        assert all(file.startswith(f"{DAY}.jsonl.zst/") for file in packed)
        assert "sealed at" in said(after["day"])
        for rows in (before, after):
            for row in rows["trades"] + rows["rejected"] + rows["quote"]:
                del row["raw_file"]
            del rows["day"]
        assert after == before


def test_a_trade_of_a_sealed_day_that_was_heard_after_midnight_is_found_on_the_next(sealed_day):
    row = told(sealed_day, MIDNIGHT - SECOND_US)["trades"][-1]
    assert row["trade_id"] == 64 and row["raw_file"].startswith("2025-10-21/") and row["line"]


def test_a_quote_from_before_midnight_is_found_on_the_day_before(two_days):
    answer = told(two_days, MIDNIGHT)
    [row] = answer["quote"]
    assert row["quoted_at"].startswith(DAY) and row["raw_file"].startswith(DAY) and row["line"]
    assert "not sealed" in said(answer["day"])


def test_a_repair_of_a_sealed_day_is_followed_until_its_raw_is_gone(sealed_day, tmp_path):
    folder = shutil.copytree(sealed_day, tmp_path / "lake")
    bring_late(folder)
    lakes.put(folder, SYMBOL, [trade(SYMBOL, 94, LATE_US, "1e-9", ts_recv=LATE_US)])
    lakes.bring(folder)
    answer = told(folder, LATE_US)  # opened again
    check_repaired(answer, f"{DAY}/repair_23_", f"{DAY}/part_1381.jsonl")
    assert "not sealed" in said(answer["day"])
    lakes.put(folder, SYMBOL, [quote(SYMBOL, 9001, MIDNIGHT + 15 * DAY_US, conn=3)])
    compact(folder)
    assert not (folder / f"data/work/staged/binance/{SYMBOL}/{DAY}").exists()
    answer = told(folder, LATE_US)
    packed = f"{DAY}.jsonl.zst/"
    check_repaired(answer, f"{packed}repair_23_", f"{packed}part_1381.jsonl")
    assert "sealed at" in said(answer["day"])
    gone = lakes.run(folder, "prune", "--raw-older-than", "14d", "--yes")
    assert "zst" in gone.output
    answer = told(folder, LATE_US)
    check_repaired(answer, "its raw is not there", "its raw is not there")
    [row] = told(folder, MIDNIGHT - 60 * SECOND_US)["quote"]
    assert row["raw_file"] == "its raw is not there"


def check_repaired(answer: dict, repair: str, unread: str) -> None:
    """The bar of LATE_US: a trade fetched by its id, beside a line that cannot be read."""
    [row] = answer["trades"]
    assert (row["trade_id"], row["source"]) == (95, "fetched by id")
    assert row["raw_file"].startswith(repair)
    [row] = answer["rejected"]
    assert (row["trade_id"], row["raw_file"]) == (94, unread)
    assert "ids between" in said(answer["state"])


def test_ids_that_the_exchange_lacks_are_told(states):
    answer = told(states, us(4), "LACKING")
    assert "nobody traded" in said(answer["state"])
    assert said(answer["state"]).endswith("; 2 of the ids around it the exchange itself lacks")
    assert "2 ids that the exchange itself lacks" in said(answer["day"])


def test_a_trade_that_came_late_is_found_in_the_hour_in_which_it_was_heard(states):
    [row] = told(states, us(2), "LATE")["trades"]
    assert row["raw_file"] == f"{DAY}/part_841.jsonl" and row["line"] == 1
    assert (row["traded_at"][:8], row["received_at"][:8]) == ("12:00:02", "14:00:00")


def test_the_open_hour_is_explained_from_the_workshop(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    unread = trade("STATES", 5, us(4.2), "1.123456789")
    lakes.put(folder, "STATES", [*states_tape("STATES"), unread, quote("STATES", 9, us(2.5))])
    lakes.put(folder, "_sessions", lakes.sessions(us(0), us(8), ["STATES"])[:3])
    with lakes.hold_collector(folder):
        lakes.bring(folder)
    assert lakes.ask(folder, "from trades") == []
    answer = told(folder, us(3), "STATES")
    [row] = answer["trades"]
    assert row["trade_id"] == 4 and row["line"]
    assert [row["update_id"] for row in answer["quote"]] == [9]
    [row] = told(folder, us(4), "STATES")["rejected"]
    assert row["trade_id"] == 5 and row["line"]


def test_raw_of_other_recorders_is_found_too(states):
    answer = told(states, us(1), "OLD")
    assert [row["line"] for row in answer["trades"]] == [3]
    assert [row["line"] for row in answer["quote"]] == [4]


def test_the_lake_of_test_runs_is_asked_where_that_is_wanted(states, tmp_path):
    folder = shutil.copytree(states, tmp_path / "lake")
    (folder / "data").rename(folder / "data-test")
    assert said(told(folder, us(1), "STATES", "--testing")["state"]) == WORDS[1][1]
    assert "there are no bars of STATES" in refusal(folder, "STATES", iso(us(1)))


@pytest.mark.soak
@pytest.mark.parametrize("symbol", ODD[2:5])
def test_odd_symbols_are_explained_too(tmp_path, symbol):
    folder = lakes.make(tmp_path / "lake")
    lakes.put(folder, symbol, [trade(symbol, number, us(number)) for number in (1, 2, 3)])
    lakes.bring(folder)
    assert [row["trade_id"] for row in told(folder, us(2), symbol)["trades"]] == [2]


def test_the_minute_stands_beside_the_official_kline(states, answers, tmp_path):
    folder = shutil.copytree(states, tmp_path / "lake")
    values = ["101", "109", "101", "109", "14", us(60) - 1, "1470", 7, "14", "1470", "0"]
    body = [[us(0), *values]]
    request = {"symbol": "STATES", "interval": "1m", "startTime": us(0), "limit": 1}
    line = {"fetched_at": us(600), "request": request, "body": body}
    write(folder / f"data/raw/binance/_rest/klines_1m/STATES/{DAY}/answers.jsonl", [line])
    lakes.bring(folder)
    ours, official = told(folder, us(4), "STATES")["kline"]
    assert ours["whose"] == "this lake (partial)" and official["whose"] == "the exchange"
    assert (official["high"], official["trade_count"]) == (109, 7)
    assert answers[4]["kline"] == []


def test_sql_that_changed_since_is_marked(states, answers, tmp_path):
    folder = shutil.copytree(states, tmp_path / "lake")
    rows = answers[1]["sql"]
    assert {"sql/gapfill/bars_1s.sql", "macros/vwap.sql"} <= {row["file"] for row in rows}
    assert {row["now"] for row in rows} == {""}
    (folder / "macros").mkdir()
    text = "create or replace macro vwap(quote, base) as sum(quote) / sum(base)\n"
    (folder / "macros" / "vwap.sql").write_text(text)
    rows = told(folder, us(1), "STATES")["sql"]
    assert [row["file"] for row in rows if row["now"]] == ["macros/vwap.sql"]


def test_a_section_of_the_lakes_own_is_told_too(states, tmp_path):
    folder = shutil.copytree(states, tmp_path / "lake")
    (folder / "reports" / "why").mkdir(parents=True)
    text = "-- My own\nselect format('{} trades', trade_count) as said from bar\n"
    (folder / "reports" / "why" / "91_mine.sql.jinja").write_text(text)
    assert told(folder, us(1), "STATES")["mine"] == [{"said": "2 trades"}]
    assert "My own\n  2 trades" in lakes.run(folder, "why", "STATES", iso(us(1))).output


def test_nothing_in_the_lake_is_changed(sealed_day):
    before = {path: path.stat().st_mtime_ns for path in sealed_day.rglob("*") if path.is_file()}
    told(sealed_day, MIDNIGHT - 60 * SECOND_US)
    after = {path: path.stat().st_mtime_ns for path in sealed_day.rglob("*") if path.is_file()}
    assert after == before


def test_a_second_without_a_bar_is_refused_with_what_there_is(states, tmp_path):
    span = "its bars go from 2025-10-20T12:00:00Z to 2025-10-20T12:00:07Z, and it lies outside"
    for time in ("2025-10-20T11:59:59Z", "2025-10-20T12:00:08Z", "2031-01-01"):
        assert span in refusal(states, "STATES", time)
    assert "did you mean 'STATES'" in refusal(states, "STATE", iso(us(1)))
    assert "there are bars of GAP, LACKING, LATE, OLD, STATES" in refusal(states, "X", iso(us(1)))
    assert "lake collect" in refusal(lakes.make(tmp_path / "empty"), "STATES", iso(us(1)))


def test_a_day_that_nobody_recorded_is_named(states):
    assert "2025-10-21 was not recorded" in refusal(states, "GAP", "2025-10-21T12:00:00Z")


@pytest.mark.parametrize(
    "time",
    [
        "2025-10-20T12:00:04Z",
        "2025-10-20 12:00:04",
        "2025-10-20 12:00:04 UTC",
        "2025-10-20T12:00:04.000000",
        "2025-10-20T14:00:04+02:00",
        "20251020T120004Z",
        "1760961604000000",
    ],
)
def test_a_time_may_be_written_as_people_and_raw_lines_do(time):
    assert Moment().convert(time, None, None) == us(4)


@pytest.mark.parametrize(
    "time", ["noon", "2025-02-30", "2025-10-20T25:00:00Z", "1999-01-01", "1760961604"]
)
def test_what_is_no_time_is_wrong_usage(states, time):
    result = lakes.run(states, "why", "STATES", time)
    assert result.exit_code == 2 and "is no time" in result.output.replace("\n", " ")
