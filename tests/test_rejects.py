"""A line that cannot be read exactly is a row of `rejects`; the others count, none is rounded."""

import json

import lakes
import pytest
from lakes import NOON, trade
from raw_lines import MINUTE_US, SECOND_US

GOOD = trade("BAD", 1, NOON)


def good(**own) -> str:
    return json.dumps(GOOD | own, separators=(",", ":"))


def bad_quote(**own) -> str:
    return json.dumps(lakes.quote("BAD", 1, NOON) | own, separators=(",", ":"))


# Each is one line of raw that must be rejected.
BAD = {
    "torn": good()[:60],
    "torn in a number": good()[: good().index('"trade_id"') + 12],
    "garbage": "lorem ipsum",
    "binary": b"\x00\x01\x02\xfe\xff",
    "bad UTF-8": good().replace("BAD", "B\udcffAD").encode("utf-8", "surrogateescape"),
    "NUL inside": good().replace("buy", "b\x00uy").encode(),
    "byte order mark": b"\xef\xbb\xbf" + good().encode(),
    "array": f"[{good()}]",
    "null": "null",
    "true": "true",
    "number": "12",
    "string": '"BAD"',
    "empty object": "{}",
    "two objects on a line": good() + good(trade_id=2),
    "two objects with a space": f"{good()} {good(trade_id=2)}",
    "trailing comma": good()[:-1] + ",}",
    "text after it": good() + " x",
    "key given twice": good().replace('"price":"100"', '"price":"100","price":"200"'),
    "nine decimals": good(price="1.000000001"),
    "nine decimals of a quantity": good(qty="0.123456789"),
    "small exponent": good(price="1e-9"),
    "exponent that hides decimals": good(price="1.2345e-7"),
    "too many digits": good(price="12345678901"),
    "NaN": good(price="NaN"),
    "infinity": good(price="Infinity"),
    "bool as price": good(price=True),
    "null price": good(price=None),
    "empty price": good(price=""),
    "price with a comma": good(price="1,5"),
    "price with a space": good(price="1 000"),
    "hexadecimal price": good(price="0x10"),
    "object as price": good(price={"value": "1"}),
    "list as price": good(price=["1"]),
    "text as id": good(trade_id="one"),
    "fraction as id": good(trade_id=1.5),
    "null id": good(trade_id=None),
    "negative id": good(trade_id=-1),
    "id beyond 64 bits": good(trade_id=2**64),
    "null time": good(ts_event=None),
    "time before 2000": good(ts_event=-5),
    "time in seconds": good(ts_event=NOON // SECOND_US),
    "time in nanoseconds": good(ts_event=NOON * 1000),
    "receive time as text": good(ts_recv="now"),
    "unknown side": good(side="b"),
    "wrong symbol": good(symbol="GOOD"),
    "null symbol": good(symbol=None),
    "unknown stream": good(stream="depth"),
    "null stream": good(stream=None),
    "product beyond all measure": good(price="9999999999", qty="99999999999999999999"),
    "quote without ask": bad_quote(ask=None),
    "quote with nine decimals": bad_quote(bid="0.000000001"),
    "quote size with nine decimals": bad_quote(ask_qty="0.000000001"),
    "negative update id": bad_quote(update_id=-1),
    "absent backwards": json.dumps(lakes.absent("BAD", 9, 2, NOON)),
    "very long": good(side="x" * 300_000),
}
# Each is one line of raw that must be read, and exactly.
FINE = {
    "eight decimals": (good(price="1.00000001"), "1.00000001"),
    "zeros after eight decimals": (good(price="1.0000000100"), "1.00000001"),
    "whole number": (good(price="7"), "7.00000000"),
    "number in place of text": (
        good().replace('"price":"100"', '"price":61837.63'),
        "61837.63000000",
    ),
    "exponent of a float": (good().replace('"price":"100"', '"price":1e-05'), "0.00001000"),
    "carriage return": (good() + "\r", "100.00000000"),
    "spaces around": (f"  {json.dumps(GOOD)}  ", "100.00000000"),
    "keys in another order": (json.dumps(dict(reversed(GOOD.items()))), "100.00000000"),
    "unknown keys": (good(new={"a": [1]}), "100.00000000"),
    "milliseconds": (good(ts_event=NOON // 1000, ts_recv=NOON // 1000), "100.00000000"),
}


def content(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Each bad line stands between two good ones; ids of the good ones tell which survived."""
    folder = lakes.make(tmp_path_factory.mktemp("rejects") / "lake")
    lines = []
    for number, text in enumerate(BAD.values(), 1):
        lines += [good(trade_id=10_000 + number).encode(), content(text)]
    lines.append(good(trade_id=10_000 + len(BAD) + 1).encode())
    lakes.part(folder, "BAD", NOON, b"\n".join(lines) + b"\n")
    own = [
        text.replace('"trade_id":1', f'"trade_id":{10 + n}')
        .replace('"trade_id": 1', f'"trade_id": {10 + n}')
        .replace("BAD", "FINE")
        for n, (text, _) in enumerate(FINE.values())
    ]
    lakes.part(folder, "FINE", NOON, "\n".join(["", *own, "", ""]).encode())
    lakes.part(
        folder,
        "TORN",
        NOON,
        (good(symbol="TORN") + "\n" + good(symbol="TORN", trade_id=2)[:50]).encode(),
    )
    for number, end in ((1, ""), (2, "\n")):  # the first part ends without a newline
        line = good(symbol="NEXT", trade_id=number) + end
        lakes.part(folder, "NEXT", NOON + number * MINUTE_US, line.encode())
    late = good(symbol="TORN", trade_id=3) + "\n"
    lakes.part(folder, "TORN", NOON + MINUTE_US, late.encode())
    lakes.part(folder, "EMPTY", NOON, b"")
    lakes.bring(folder)
    return folder


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_line_is_a_reject_with_its_file_line_and_text(folder, kind):
    number = 2 * (list(BAD).index(kind) + 1)
    rows = lakes.ask(
        folder, f"select file, text, reason from rejects where symbol = 'BAD' and line = {number}"
    )
    assert len(rows) == 1
    file, text, reason = rows[0]
    assert file == "part_721.jsonl" and reason
    if kind not in ("binary", "bad UTF-8", "NUL inside"):
        assert text.encode() == content(BAD[kind])


def test_the_neighbours_of_bad_lines_all_survive(folder):
    query = "select count(*), min(trade_id), max(trade_id) from trades where symbol = 'BAD'"
    assert lakes.ask(folder, query) == [(len(BAD) + 1, 10_001, 10_000 + len(BAD) + 1)]
    assert lakes.ask(folder, "select distinct price::varchar from trades where symbol = 'BAD'") == [
        ("100.00000000",)
    ]
    assert lakes.ask(folder, "select count(*) from quotes where symbol = 'BAD'") == [(0,)]


def test_no_good_line_is_a_reject(folder):
    rows = lakes.ask(
        folder,
        "select symbol, line, text, reason from rejects where symbol <> 'BAD' or line % 2 = 1",
    )
    assert [row for row in rows if row[0] != "TORN"] == []


@pytest.mark.parametrize("kind", FINE)
def test_an_unusual_but_exact_line_is_read(folder, kind):
    number = 10 + list(FINE).index(kind)
    query = f"""
        select price::varchar, epoch_us(ts_event) from trades
        where symbol = 'FINE' and trade_id = {number}"""
    assert lakes.ask(folder, query) == [(FINE[kind][1], NOON)]


def test_a_torn_last_line_is_one_reject(folder):
    ids = "select list(trade_id order by trade_id) from trades where symbol = 'TORN'"
    assert lakes.ask(folder, ids) == [([1, 3],)]
    assert lakes.ask(folder, "select line, length(text) from rejects where symbol = 'TORN'") == [
        (2, 50)
    ]


def test_a_last_line_without_a_newline_does_not_run_into_the_next_part(folder):
    ids = "select list(trade_id order by trade_id) from trades where symbol = 'NEXT'"
    assert lakes.ask(folder, ids) == [([1, 2],)]


def test_the_build_says_how_many_lines_it_could_not_read(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    lakes.part(folder, "SOLUSDT", NOON, b"torn\n" + good(symbol="SOLUSDT").encode() + b"\nnull\n")
    result = lakes.run(folder, "build")
    assert result.exit_code == 0
    assert "3 lines, 2 of them unreadable (see `rejects`)" in result.output


def test_a_part_of_bad_lines_only_is_rejected_whole(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    lakes.part(folder, "SOLUSDT", NOON, b"a\nb\n")
    lakes.bring(folder)
    assert lakes.ask(folder, "select line, text from rejects order by line") == [(1, "a"), (2, "b")]
    assert lakes.ask(folder, "select count(*) from trades") == [(0,)]
