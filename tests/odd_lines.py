"""Raw lines that are a little or very wrong, and what an independent reader makes of a line.

Shares nothing with the lake: Python's json and Decimal read, the lake's SQL is judged by it.
"""

import json
import re
from collections import defaultdict
from decimal import Decimal, InvalidOperation, localcontext
from random import Random

import lakes
from raw_lines import DAY_US, SECOND_US

TICK = Decimal("0.00000001")
NUMBERS = (
    ["0", "-0", "0.0", "-0.0", "1", "+1", "01", "1.", ".5", "1e5", "1E+5", "1e-05", "1e-8", "1e-9"]
    + ["1.5e-7", "0.123456789", "0.12345678", "0.1234567800", "9999999999.99999999", "1e400"]
    + ["9007199255.12345678", "12345678901", "1_000", "1 000", "1,5", "0x10", "NaN", "Infinity"]
    + ["-Infinity", "nan", "\u0661\u0662", "\uff11", "1\u00a0", " 1", "1 ", "\t1", "1\\n", "", "-"]
    + ["9" * 19, "9" * 40, "0." + "0" * 60, "0" * 30 + "1", "1e-0", "0.1e1", "-5.25", "--1", "5-"]
)
INTEGERS = (
    ["0", "-0", "-1", "1.0", "1.5", "1e3", "1E3", "1e-1", "9223372036854775807"]
    + ["9223372036854775808", "18446744073709551616", "1" * 40, "00", "007", "2.5e15", "1e400"]
    + ["946684799999999", "4102444800000000", "4102444799999999", "946684800000000000"]
)
VALUES = ["null", "true", "false", "[]", "{}", '""', '"\\u0000"', '"\\ud800"', "NaN", "nul", "'x'"]
VALUES += ['{"price":"7","trade_id":7}', '"price\\":5"', "[[[[[]]]]]", "1e5", '"trade"', '"rest"']
KEYS = [
    "PRICE",
    "Price",
    "pr\\u0069ce",
    "price ",
    "",
    "stream",
    "trade_id",
    "extra",
    "a.b",
    "$",
    "*",
]
BYTES = [
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\t",
    b"\x0b",
    b"\x85",
]
BYTES += [b'"', b"\\", b"{", b"}", b"[", b",", b":", b" ", b"\xe2\x80\xa8", b"\\u0000", b"0", b"-"]
JUNK = [
    b"null",
    b"[]",
    b"{}",
    b"0",
    b'""',
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"\x00" * 40,
    b"//",
    b"\x1a",
]
JUNK += [b"{" * 5000, b"[" * 3000 + b"]" * 3000, b"\xff\xfe" * 30, b"#", b"\\x41", b"---", b"\x0c"]


def good(random: Random, symbol: str, number: int, time_us: int) -> dict:
    """A trade, a quote or, now and then, absent ids; `number` is the id."""
    stamp_us = time_us + random.randrange(3600 * SECOND_US // 4)
    price, qty = f"{random.randrange(10**12) / 10**6:.8f}", f"{random.randrange(1, 10**9)}.25000000"
    kind = random.random()
    if kind < 0.55:
        own = {
            "side": random.choice(["buy", "sell"]),
            "source": random.choice(["ws", "ws", "rest"]),
        }
        return lakes.trade(symbol, number, stamp_us, price, qty, **own)
    if kind < 0.97:
        return lakes.quote(symbol, number, stamp_us, price, price, bid_qty=qty, ask_qty=qty)
    return lakes.absent(symbol, number, number + random.randrange(3), stamp_us)


def mutate(random: Random, line: dict) -> bytes:
    """The line's text with one to three things changed in it."""
    tokens = {key: json.dumps(value, ensure_ascii=False) for key, value in line.items()}
    pairs = list(tokens.items())
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        random.choice([_value, _value, _value, _key, _drop, _twice, _extra, _shuffle])(
            random, pairs
        )
    gap = random.choice(["", "", "", " ", "  ", "\t"])
    text = "{" + f",{gap}".join(f'"{key}":{gap}{value}' for key, value in pairs) + "}"
    data = text.encode("utf-8", "surrogatepass")
    return _bytes(random, data) if random.random() < 0.3 else data


def _value(random: Random, pairs: list) -> None:
    place = random.randrange(len(pairs))
    key, value = pairs[place]
    if random.random() < 0.3:
        new = random.choice(VALUES)
    elif value.startswith('"') and random.random() < 0.6:
        new = value[1:-1]
    elif value.startswith('"'):
        new = random.choice(NUMBERS)
        new = new if random.random() < 0.3 else f'"{new}"'
    else:
        new = random.choice([*INTEGERS, f'"{value}"', f"{value}.0", f"{value}.5", f" {value} "])
    pairs[place] = key, new


def _key(random: Random, pairs: list) -> None:
    place = random.randrange(len(pairs))
    key, value = pairs[place]
    pairs[place] = random.choice([*KEYS, key.upper(), key + "_", key[1:]]), value


def _drop(random: Random, pairs: list) -> None:
    if len(pairs) > 1:
        del pairs[random.randrange(len(pairs))]


def _twice(random: Random, pairs: list) -> None:
    key, value = random.choice(pairs)
    pairs.insert(random.randrange(len(pairs) + 1), (key, random.choice([value, "5", '"5"'])))


def _extra(random: Random, pairs: list) -> None:
    value = random.choice(
        ['{"price":5,"bid":6,"qty":7}', "[1,{}]", '"\\"price\\":5"', "1e999", "null"]
    )
    pairs.insert(random.randrange(len(pairs) + 1), (random.choice(["x", "news", "\u00e9"]), value))


def _shuffle(random: Random, pairs: list) -> None:
    random.shuffle(pairs)


def _bytes(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    change = random.randrange(6)
    if change == 0:
        return data[:at] + random.choice(BYTES) + data[at:]
    if change == 1:
        return data[:at] + data[at + 1 :]
    if change == 2:
        return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]
    if change == 3:
        return data[:at]
    if change == 4:
        return data + random.choice([b",", b" x", b"\r", b" ", b"\x00", b"{}", data])
    return random.choice([b"\xef\xbb\xbf", b" ", b"\r", b",", b"\x00", b"\t"]) + data


def is_blank(line: bytes) -> bool:
    return not line.strip(b" \t\r")


def reading(line: bytes, symbol: str, day_us: int) -> tuple | None:
    """("trade" | "bookTicker" | "absent", its values …) as the line says, exactly; else None."""
    try:
        row = json.loads(
            line.decode(), parse_float=Decimal, parse_constant=float, object_pairs_hook=_Pairs
        )
    except (ValueError, RecursionError, InvalidOperation):
        return None
    if not isinstance(row, _Pairs) or len({key for key, _ in row}) < len(row):
        return None
    row = defaultdict(lambda: None, row)
    reader = {"trade": _trade, "bookTicker": _quote, "absent": _absent}
    stream = row["stream"]
    if row["symbol"] != symbol or not isinstance(stream, str) or stream not in reader:
        return None
    try:
        return (stream, *reader[stream](row, day_us))
    except ValueError:
        return None


class _Pairs(list):
    """The keys and values of an object, copies included."""


def _trade(row: dict, day_us: int) -> tuple:
    source = "ws" if row["source"] is None else row["source"]
    event_us, recv_us = _time(row["ts_event"]), _time(row["ts_recv"])
    _integer(row["event_time"], optional=True), _integer(row["conn"], optional=True)
    _check(source in ("ws", "rest") and row["side"] in ("buy", "sell"))
    _check(event_us <= recv_us + DAY_US and (source == "rest" or _in_place(recv_us, day_us)))
    price, qty = _decimal(row["price"]), _decimal(row["qty"])
    return _id(row["trade_id"]), price, qty, row["side"], event_us, recv_us, source


def _quote(row: dict, day_us: int) -> tuple:
    recv_us = _time(row["ts_recv"])
    _integer(row["ts_event"], optional=True), _integer(row["conn"], optional=True)
    _check(_in_place(recv_us, day_us))
    sizes = [None if row[key] is None else _decimal(row[key]) for key in ("bid_qty", "ask_qty")]
    number = None if row["update_id"] is None else _id(row["update_id"])
    return number, _decimal(row["bid"]), sizes[0], _decimal(row["ask"]), sizes[1], recv_us


def _absent(row: dict, day_us: int) -> tuple:
    first, last = _id(row["first_id"]), _id(row["last_id"])
    _check(first <= last)
    return first, last


def _check(holds: bool) -> None:
    if not holds:
        raise ValueError


def _in_place(time_us: int, day_us: int) -> bool:
    return day_us - DAY_US <= time_us <= day_us + 2 * DAY_US


def _integer(value: object, optional: bool = False) -> int | None:
    if value is None and optional:
        return None
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value, re.ASCII):
        value = int(value)
    _check(isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63)
    return value


def _id(value: object) -> int:
    number = _integer(value)
    _check(number >= 0)
    return number


def _time(value: object) -> int:
    number = _integer(value)
    if 946684800000 <= number <= 4102444799999:
        return number * 1000
    _check(946684800000000 <= number <= 4102444799999999)
    return number


def _decimal(value: object) -> Decimal:
    if isinstance(value, str):
        _check(bool(re.fullmatch(r"-?\d+(\.\d*)?([eE][+-]?\d+)?", value, re.ASCII)))
        value = Decimal(value)
    _check(isinstance(value, int | Decimal) and not isinstance(value, bool))
    value = Decimal(value)
    _check(not value or abs(value.adjusted()) < 60)
    with localcontext(prec=200):
        _check(value == value.quantize(TICK))
    return value
