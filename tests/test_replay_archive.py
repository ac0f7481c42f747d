"""The archive: the same candles and trades as REST, a zip a day, and what is odd about it."""

import asyncio
import hashlib
import io
import zipfile
from datetime import UTC, date, datetime

import pytest
from replay_client import Got, get

from replay.archive import ArchiveRules
from replay.market import Market
from replay.server import Exchange

DAY_US = 86_400_000_000
# From shortly before midnight on, until the first day is over and 100 s more.
MARKET = Market(
    ("SOLUSDT", "XLMUSDT"), 3, datetime(2025, 10, 20, 23, 58, tzinfo=UTC), 220, busy=0.2
)
KLINES = "/data/spot/daily/klines/SOLUSDT/1m/SOLUSDT-1m-{}.zip"
TRADES = "/data/spot/daily/trades/SOLUSDT/SOLUSDT-trades-{}.zip"
AT_ONCE = ArchiveRules(publish_delay_s=60)


def _get(
    *paths: str, rules=AT_ONCE, market=MARKET, days=2, before=lambda exchange: None, **get_how
):
    """The answers, and the exchange's own candles of 1m and trades of SOLUSDT."""

    async def run():
        how = dict(rest_only=True, history_days=days, archive=rules)
        async with Exchange(market, **how) as exchange:
            before(exchange)
            answers = [await get(exchange, path, **get_how) for path in paths]
            return answers, exchange

    return asyncio.run(run())


def _lines(got: Got, name: str) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        assert archive.namelist() == [name]
        return archive.read(name).decode().splitlines()


@pytest.mark.parametrize(("interval", "count"), [("1m", 1440), ("1s", 86_400)])
def test_a_day_of_candles_is_what_rest_tells_of_it(interval, count):
    path = KLINES.replace("1m", interval).format("2025-10-20")
    (got,), exchange = _get(path)
    lines = _lines(got, f"SOLUSDT-{interval}-2025-10-20.csv")
    start_us = 1_760_918_400_000_000
    rows = exchange.klines("SOLUSDT", interval, start_us, start_us + DAY_US - 1)
    assert lines == [",".join(str(value) for value in row) for row in rows]
    assert len(lines) == count and lines[0].startswith("1760918400000000,")
    assert got.headers["Content-Type"] == "application/zip"


def test_a_day_of_trades_is_what_rest_tells_of_it():
    (got, other), exchange = _get(TRADES.format("2025-10-20"), TRADES.format("2025-10-19"))
    lines = _lines(got, "SOLUSDT-trades-2025-10-20.csv")
    tape = exchange.ledger.tapes["SOLUSDT"]
    assert [int(line.split(",")[0]) for line in lines] == list(tape.ids[: len(lines)])
    assert 0 < len(lines) < len(tape) and tape.times[len(lines)] >= 1_761_004_800_000_000
    assert lines[0].split(",")[4] == str(tape.times[0])
    assert {line.split(",")[5] for line in lines} == {"True", "False"}
    assert other.status == 404, "history has no trades"


def test_the_checksum_is_that_of_the_zip_and_can_be_given_to_sha256sum():
    path = KLINES.format("2025-10-19")
    (got, checksum), _ = _get(path, path + ".CHECKSUM")
    expected = f"{hashlib.sha256(got.body).hexdigest()}  SOLUSDT-1m-2025-10-19.zip\n"
    assert checksum.body.decode() == expected


@pytest.mark.parametrize(
    "path",
    [
        KLINES.format("2025-10-21"),
        KLINES.format("2025-10-17"),
        KLINES.format("2025-10-2"),
        KLINES.format("20251020"),
        KLINES.replace("1m", "7m").format("2025-10-19"),
        KLINES.replace("SOLUSDT", "NOSUCH").format("2025-10-19"),
        KLINES.replace("SOLUSDT/1m", "XLMUSDT/1m").format("2025-10-19"),
        KLINES.format("2025-10-21") + ".CHECKSUM",
    ],
)
def test_what_is_not_over_not_known_or_no_file_is_404(path):
    (got,), _ = _get(path)
    assert got.status == 404 and b"NoSuchKey" in got.body


def test_a_day_is_published_after_the_delay():
    path = KLINES.format("2025-10-20")
    statuses = [
        _get(path, rules=ArchiveRules(publish_delay_s=delay))[0][0].status for delay in (95, 105)
    ]
    assert statuses == [200, 404]
    assert _get(KLINES.format("2025-10-19"), rules=ArchiveRules())[0][0].status == 200


def test_files_of_before_2025_are_in_ms_unless_told_otherwise():
    old = Market(("SOLUSDT",), 3, datetime(2025, 1, 2, 12, tzinfo=UTC), 30, busy=0.1)
    paths = [KLINES.format("2024-12-31"), KLINES.format("2025-01-01")]
    answers, _ = _get(*paths, market=old)
    first = [
        _lines(got, f"SOLUSDT-1m-{day}.csv")[0]
        for got, day in zip(answers, ("2024-12-31", "2025-01-01"), strict=True)
    ]
    assert first[0].startswith("1735603200000,") and ",1735603259999," in first[0]
    assert first[1].startswith("1735689600000000,") and ",1735689659999999," in first[1]
    rules = ArchiveRules(micro_from=date(2030, 1, 1))
    (got,), _ = _get(paths[1], market=old, rules=rules)
    assert _lines(got, "SOLUSDT-1m-2025-01-01.csv")[0].startswith("1735689600000,")


def test_a_header_a_stale_or_missing_checksum_a_missing_and_a_corrupt_file():
    path = KLINES.format("2025-10-19")

    def of(**odd):
        return _get(path, path + ".CHECKSUM", rules=ArchiveRules(publish_delay_s=0, **odd))[0]

    whole, right = of()
    got, _ = of(header=True)
    lines = _lines(got, "SOLUSDT-1m-2025-10-19.csv")
    assert lines[0].startswith("open_time,open,") and lines[1:] == _lines(
        whole, "SOLUSDT-1m-2025-10-19.csv"
    )
    got, checksum = of(stale=("*-10-19.zip",))
    assert got.body == whole.body and checksum.status == 200 and checksum.body != right.body
    got, checksum = of(unchecked=("SOLUSDT-*",))
    assert (got.status, checksum.status) == (200, 404)
    got, checksum = of(absent=("SOLUSDT-*",))
    assert (got.status, checksum.status) == (404, 404)
    got, checksum = of(corrupt=("SOLUSDT-*",))
    assert checksum.body.decode().startswith(hashlib.sha256(got.body).hexdigest())
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(got.body))
    assert of(stale=("XLM*",), absent=("XLM*",), corrupt=("XLM*",))[0].body == whole.body


def test_a_replaced_file_has_another_value_and_says_so_in_its_headers():
    path = KLINES.format("2025-10-19")
    answers = [_get(path, path + ".CHECKSUM")[0], _get(path)[0]]
    replaced, _ = _get(
        path, path + ".CHECKSUM", before=lambda exchange: exchange.archive.replace("*-10-19.zip")
    )
    (old, old_checksum), (again,) = answers
    assert again.headers["ETag"] == old.headers["ETag"] and again.body == old.body
    for header in ("ETag", "Last-Modified"):
        assert replaced[0].headers[header] != old.headers[header]
    assert old.headers["Last-Modified"] == "Mon, 20 Oct 2025 00:01:00 GMT"
    name = "SOLUSDT-1m-2025-10-19.csv"
    pairs = zip(_lines(old, name), _lines(replaced[0], name), strict=True)
    assert sum(before != after for before, after in pairs) == 1
    assert replaced[1].body.decode().startswith(hashlib.sha256(replaced[0].body).hexdigest())
    assert replaced[1].body != old_checksum.body


def test_who_has_the_file_already_is_told_so():
    path = KLINES.format("2025-10-19")
    (got,), _ = _get(path)
    (same,), _ = _get(path, headers={"If-None-Match": got.headers["ETag"]})
    assert (same.status, same.body) == (304, b"")
