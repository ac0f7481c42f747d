"""`lake lineage` against what a build does: one key of the raw differs, and every column that then
differs must name it. One lake, a symbol for each change; nothing of lineage itself makes it.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import lakes
import pytest
import raw_answers
from lakes import NOON, absent, quote, trade
from raw_lines import MINUTE_US, SECOND_US, session, write_repairs

from runner.config import load
from runner.lineage.lineage import End, Lineage, Step, all_of, ends, followed, made_of
from runner.models.models import Models

FETCHED_US = NOON + 3600 * SECOND_US
# What a symbol's raw holds: kind of line → lines.
Raw = dict[str, list[dict]]
Change = Callable[[Raw], None]


# the raw, one symbol of each kind as it is


def ticks(symbol: str, conn: int) -> Raw:
    """Trades with a hole, a repair, ids that the exchange lacks, a copy and a flaw; quotes; a
    connection that stalls and drops; a kline.
    """
    heard = []
    for number in [1, 2, 3, 4, 7, 8, 12, 13, 14]:
        moment = NOON + number * 1_700_000
        own = {"side": "sell" if number % 3 else "buy", "ts_recv": moment + 900 * number}
        heard.append(trade(symbol, number, moment, f"100.{number}", f"1.{number}", **own))
    heard.append({**heard[2], "ts_recv": heard[2]["ts_recv"] + 400})
    heard.append(trade(symbol, 15, NOON + 20_000_000, side="hold"))
    for number in range(14):
        moment = NOON + 100_000 + number * 1_900_000
        own = {"bid_qty": f"2.{number}", "ask_qty": f"3.{number}"}
        bid, ask = f"9{number % 5}.5", f"10{number}.5"
        heard.append(quote(symbol, 3 * number + 1, moment, bid, ask, **own))
    fetched = {"source": "rest", "conn": None, "event_time": None}
    repaired = trade(symbol, 9, NOON + 15_300_000, "100.9", "1.9", **fetched)
    times = range(NOON, NOON + MINUTE_US, SECOND_US)
    return {
        "heard": [{**row, "conn": conn} for row in heard],
        "repairs": [repaired, absent(symbol, 10, 11, NOON + 17_000_000)],
        "sessions": [
            session("connected", NOON - 3, conn),
            session("clock", NOON - 2, conn, offset=5_000),
            session("subscribed", NOON - 1, conn, symbols=[symbol]),
            session("dropped", times[5], conn, symbol=symbol, stream="trade", first_id=5, count=2),
            session("stalled", times[12], conn, symbol=symbol),
            session("disconnected", times[26], conn, detail="closed"),
        ],
        "klines_1m": [raw_answers.klines([raw_answers.kline(NOON)], FETCHED_US, symbol=symbol)],
    }


def answers(symbol: str, conn: int) -> Raw:
    """Klines, fundings, open interest, and minutes of Yahoo's that were told twice."""
    told = [raw_answers.minute(NOON, 5.0)], [raw_answers.minute(NOON, 6.0)]
    rows = {
        "klines_1m": [[raw_answers.kline(NOON), raw_answers.kline(NOON + MINUTE_US)]],
        "funding_rate": [[raw_answers.funded(NOON, symbol=symbol)]],
        "open_interest_5m": [[raw_answers.measured(NOON, symbol=symbol)]],
        "yahoo": told,
    }
    request = {"symbol": symbol, "ticker": symbol, "interval": "1m"}
    return {
        kind: [
            {"fetched_at": FETCHED_US + number, "request": {**request}, "body": body}
            for number, body in enumerate(bodies)
        ]
        for kind, bodies in rows.items()
    }


# changes


def each(key: str, make: Callable[[dict], object], *ids: int) -> Change:
    """Change a key in all lines that have it, or only in those of some trades."""

    def change(raw: Raw) -> None:
        for row in raw["heard"] + raw["repairs"]:
            if row.get(key) is not None and (not ids or row.get("trade_id") in ids):
                row[key] = make(row)

    return change


def event(name: str, **own) -> Change:
    """Change a line of the connection."""

    def change(raw: Raw) -> None:
        [row] = [row for row in raw["sessions"] if row["event"] == name]
        row.update(own)

    return change


def tell(raw: Raw) -> None:
    """Change all that lines of the connection say beside their times."""
    event("subscribed", symbols=["OTHER"])(raw)
    event("stalled", symbol="OTHER")(raw)
    event("dropped", count=3)(raw)
    event("disconnected", detail="lost")(raw)


def body(kind: str, **own) -> Change:
    """Change the first row of an answer."""

    def change(raw: Raw) -> None:
        rows = raw[kind][0]["body"]
        rows[0] = raw_answers.kline(NOON, **own) if kind == "klines_1m" else {**rows[0], **own}

    return change


def answer(*kinds: str, **own) -> Change:
    """Change the line of an answer itself."""

    def change(raw: Raw) -> None:
        for kind in kinds:
            raw[kind][0].update(own)

    return change


SIDES = {"buy": "sell", "sell": "buy"}
TWO = 2 * SECOND_US
# Symbol → the key that differs (or some), and how.
OF_TICKS: dict[str, tuple[str, Change]] = {
    "PRICE": ("price", each("price", lambda row: f"2{row['price']}")),
    "QTY": ("qty", each("qty", lambda row: f"2{row['qty']}")),
    "SIDE": ("side", each("side", lambda row: SIDES.get(row["side"], "hold"))),
    "BID": ("bid", each("bid", lambda row: f"1{row['bid']}")),
    "ASK": ("ask", each("ask", lambda row: f"2{row['ask']}")),
    "BIDQTY": ("bid_qty", each("bid_qty", lambda row: f"2{row['bid_qty']}")),
    "ASKQTY": ("ask_qty", each("ask_qty", lambda row: f"2{row['ask_qty']}")),
    "HOLE": ("trade_id", each("trade_id", lambda row: row["trade_id"] + 1, 12, 13, 14)),
    "UPDATEID": ("update_id", each("update_id", lambda row: max(row["update_id"], 7))),
    "TSEVENT": ("ts_event", each("ts_event", lambda row: row["ts_event"] + TWO, 8)),
    "EVENTTIME": ("event_time", each("event_time", lambda row: row["event_time"] + TWO)),
    "TSRECV": ("ts_recv", each("ts_recv", lambda row: row["ts_recv"] + TWO)),
    "SOURCE": ("source", each("source", lambda row: "rest", 3, 8)),
    "CONN": ("conn", each("conn", lambda row: row["conn"] + 500, 1, 2, 3)),
    "FIRSTID": ("first_id", each("first_id", lambda row: row["first_id"] + 1)),
    "OFFSET": ("_sessions offset", event("clock", offset=9_000)),
    "TOLD": ("_sessions symbols, _sessions symbol, _sessions count, _sessions detail", tell),
    "EVENT": ("_sessions event", event("stalled", event="other")),
    "STALLED": ("_sessions ts_recv", event("stalled", ts_recv=NOON + 14 * SECOND_US)),
}
OF_ANSWERS: dict[str, tuple[str, Change]] = {
    "CLOSE": ("_rest body", body("klines_1m", close="100.25000000")),
    "RATE": ("_rest body", body("funding_rate", fundingRate="0.00030000")),
    "CONTRACTS": ("_rest body", body("open_interest_5m", sumOpenInterest="5.00000000")),
    "MINUTE": ("_rest body", body("yahoo", close=7.0, high=7.0)),
    "REQUEST": ("_rest request", answer("klines_1m", "yahoo", request={"symbol": "OTHER"})),
    "FETCHED": ("_rest fetched_at", answer("klines_1m", "yahoo", fetched_at=NOON)),
}
AS_IT_IS = {"TICKS": (ticks, OF_TICKS), "ANSWERS": (answers, OF_ANSWERS)}
FIRST_CONN = NOON - SECOND_US


@pytest.fixture(scope="module")
def lineage(tmp_path_factory) -> Lineage:
    return Lineage(Models(load(lakes.make(tmp_path_factory.mktemp("lineage") / "lake"))))


@pytest.fixture(scope="module")
def shown(tmp_path_factory, lineage) -> dict[str, dict[str, list[str]]]:
    """Symbol → column → its values, of a lake with a symbol for each change."""
    folder = lakes.make(tmp_path_factory.mktemp("keys") / "lake")
    lines = [session("start", NOON - 9, mode="live")]
    conns = {}
    for base, (make, changes) in AS_IT_IS.items():
        for symbol in [base, *changes]:
            conns[symbol] = FIRST_CONN + 1000 * len(conns)
            raw = make(symbol, conns[symbol])
            if symbol in changes:
                changes[symbol][1](raw)
            lines += _put(folder, symbol, raw)
    lakes.put(folder, "_sessions", lines)
    lakes.bring(folder)
    return _shown(folder, lineage, conns)


def _put(folder: Path, symbol: str, raw: Raw) -> list[dict]:
    """Write the raw of a symbol; returns its session lines."""
    lakes.put(folder, symbol, raw.get("heard", ()))
    write_repairs(folder / "data", symbol, raw.get("repairs", []))
    for kind in ("klines_1m", "funding_rate", "open_interest_5m", "yahoo"):
        if kind in raw:
            place = "yahoo" if kind == "yahoo" else f"binance/_rest/{kind}"
            raw_answers.put(folder, f"{place}/{symbol}", raw[kind])
    return raw.get("sessions", [])


def _shown(folder: Path, lineage: Lineage, conns: dict[str, int]) -> dict[str, dict[str, list]]:
    """The values of each column by themselves, symbol and connection left out of them."""
    found = {symbol: defaultdict(list) for symbol in conns}
    symbols = {conn: symbol for symbol, conn in conns.items()}
    with lakes.lake.connect(folder) as con:
        for relation in public(lineage):
            asked = con.execute(f"from {relation}")
            names = [column[0] for column in asked.description]
            for row in asked.fetchall():
                values = dict(zip(names, row, strict=True))
                conn = symbols.get(values.get("conn"))
                symbol = values.get("symbol") or values.get("ticker") or conn
                for name, value in values.items() if symbol in found else ():
                    text = str(value).replace(symbol, "").replace(str(conns[symbol]), "")
                    found[symbol][f"{relation}.{name}"].append(text)
    return {one: {name: sorted(rows) for name, rows in own.items()} for one, own in found.items()}


def public(lineage: Lineage) -> list[str]:
    """The relations that people query; a sealed file is made of all, and dxy of six tickers."""
    models = lineage.models.models.values()
    names = [model.name for model in models if model.file or model.is_view]
    return [name for name in names if name not in ("archive", "dxy_synthetic_minute")]


def changed(shown: dict, symbol: str) -> set[str]:
    """The columns that differ where this key does; a line's own text has all keys."""
    base = "TICKS" if symbol in OF_TICKS else "ANSWERS"
    return lakes.changed(shown[base], shown[symbol]) - {"rejects.text"}


def keys(lineage: Lineage, column: str, parts: Callable[[Step], list[Step | End]]) -> set[str]:
    """The raw keys in the lineage of a column."""
    found = ends(lineage.step(*column.split(".")), parts)
    return {end.text.removeprefix("raw ") for end in found if end.kind == "raw"}


def silent(lineage: Lineage, shown: dict, symbol: str, parts: Callable) -> set[str]:
    """The columns that differ and do not name the key."""
    of, differing = set(CHANGES[symbol][0].split(", ")), changed(shown, symbol)
    assert differing
    return {column for column in differing if not of & keys(lineage, column, parts)}


CHANGES = OF_TICKS | OF_ANSWERS
# Keys whose change leaves all rows where they are.
PLAIN = ["PRICE", "QTY", "SIDE", "BID", "ASK", "BIDQTY", "ASKQTY", "OFFSET"]
PLAIN += ["CLOSE", "RATE", "CONTRACTS", "MINUTE", "EVENTTIME", "SOURCE"]


@pytest.mark.parametrize("symbol", CHANGES)
def test_what_a_key_changes_names_it(lineage, shown, symbol):
    assert silent(lineage, shown, symbol, all_of) == set()


@pytest.mark.parametrize("symbol", PLAIN)
def test_where_the_rows_stay_no_lineage_of_rows_is_needed(lineage, shown, symbol):
    assert silent(lineage, shown, symbol, made_of) == set()


@pytest.mark.parametrize("symbol", ["PRICE", "QTY", "BID", "ASK", "BIDQTY", "ASKQTY", "UPDATEID"])
def test_a_key_that_is_part_of_a_value_changes_it(lineage, shown, symbol):
    # the minute has a hole: what fills and compares it goes by the official kline
    filled = {"bars_1m_filled", "compare_our_vs_kline_1m"}
    columns = [one for one in shown["TICKS"] if one.partition(".")[0] not in filled]
    naming = {one for one in columns if CHANGES[symbol][0] in keys(lineage, one, followed)}
    assert naming and naming <= changed(shown, symbol)


def test_every_column_was_looked_at(lineage, shown):
    columns = {f"{name}.{one}" for name in public(lineage) for one in lineage.columns(name)}
    assert columns == set(shown["TICKS"]) | set(shown["ANSWERS"])
