"""`lake backfill --source archive`: whole days as zips, believed only when everything agrees."""

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import lakes
import pytest
from aiohttp import web
from backfills import DAY_US, KLINES, backfill, market, since, stored, truth
from click.testing import Result

from replay.server import Exchange
from runner.moments import microseconds

TODAY = "2025-10-20"
# The days in the archive.
DAYS = [f"2025-10-{number:02}" for number in range(9, 20)]
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore\n"
)

Spoil = Callable[["Store"], None]


class Store:
    """The archive: its files by name; `takes`: names asked for; `later`: what replaces a file the
    second time it is asked for.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.later: dict[str, bytes] = {}
        self.takes: list[str] = []

    def put(self, day: str, text: str, symbol: str = "SOLUSDT", interval: str = "1m") -> None:
        """A day's zip and its checksum."""
        name = f"{symbol}-{interval}-{day}"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(f"{name}.csv", text)
        self.put_zip(f"{name}.zip", packed.getvalue())

    def put_zip(self, name: str, content: bytes) -> None:
        self.files[name] = content
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"{name}.CHECKSUM"] = f"{digest}  {name}\n".encode()

    async def answer(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("/")[2]
        self.takes.append(name)
        if name not in self.files:
            return web.Response(status=404, text="<Error>NoSuchKey</Error>")
        content = self.files[name]
        if name in self.later:
            self.files[name] = self.later.pop(name)
        headers = {"ETag": '"7f"', "Last-Modified": "Sun, 19 Oct 2025 08:31:00 GMT"}
        return web.Response(body=content, headers=headers)


def csv(rows: list[list], unit: int = 1) -> str:
    """Rows of REST as a line each; `unit`: 1000 for milliseconds."""
    lines = []
    for row in rows:
        times = {0: row[0] // unit, 6: (row[6] + 1) // unit - 1}
        lines.append(",".join(str(times.get(n, value)) for n, value in enumerate(row)))
    return "\n".join(lines) + "\n"


def archived(
    folder: Path,
    *arguments: str,
    texts: dict[str, Callable[[list[list]], str]] | None = None,
    spoil: Spoil = lambda store: None,
    interval: str = "1m",
    times: int = 1,
) -> tuple[list[Result], Store, dict]:
    """Run `lake backfill --source archive` on an archive of SOLUSDT's DAYS.

    `texts`: the CSV of a day, of REST's rows; `spoil`: what is done to the archive then.
    """
    store, results = Store(), []

    async def main() -> dict:
        source = market("SOLUSDT")
        knobs = {"rest_only": True, "history_days": len(DAYS) + 1}
        async with Exchange(source, None, **knobs) as exchange, served(store) as url:
            for day in DAYS:
                begin = microseconds(day)
                rows = exchange.klines("SOLUSDT", interval, begin, begin + DAY_US - 1)
                store.put(day, (texts or {}).get(day, csv)(rows), interval=interval)
            spoil(store)
            chosen = ["--source", "archive", "--symbols", "SOLUSDT", "--interval", interval]
            chosen += ["--archive-url", url, "--rest-url", exchange.rest_url, *arguments]
            for _ in range(times):
                run = asyncio.to_thread(lakes.run, folder, "backfill", *chosen)
                results.append(await run)
            assert KLINES not in {one.path for one in exchange.requests}
            return truth(exchange, interval)

    found = asyncio.run(main())
    return results, store, found


@asynccontextmanager
async def served(store: Store) -> AsyncIterator[str]:
    """The address of an archive on loopback."""
    app = web.Application()
    app.router.add_get("/{path:.*}", store.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def of_day(found: dict, day: str) -> list[tuple]:
    return since(found["SOLUSDT"], microseconds(day), microseconds(day) + DAY_US)


def last(days: int) -> tuple[str, str]:
    """The options for the last so many days."""
    return "--days", str(days)


def zip_of(day: str) -> str:
    return f"SOLUSDT-1m-{day}.zip"


def test_a_days_zip_gives_the_klines_of_rest_in_all_its_forms(lake_folder):
    forms = {
        DAYS[-1]: csv,
        DAYS[-2]: lambda rows: HEADER + csv(rows),
        DAYS[-3]: lambda rows: csv(rows, 1000),
        DAYS[-4]: lambda rows: csv(rows)[:-1],
        DAYS[-5]: lambda rows: csv(rows).replace("\n", "\r\n"),
    }
    (result,), _, found = archived(lake_folder, *last(5), texts=forms)
    assert result.exit_code == 0, result.output
    rows = stored(lake_folder, "SOLUSDT")
    for day in forms:
        close = 6  # in milliseconds it ends in …999000
        assert [
            (*row[:close], row[close] // 1000, *row[close + 1 :]) for row in of_rows(rows, day)
        ] == [(*row[:close], row[close] // 1000, *row[close + 1 :]) for row in of_day(found, day)]
    assert len(rows) == 5 * 1440


def of_rows(rows: list[tuple], day: str) -> list[tuple]:
    return since(rows, microseconds(day), microseconds(day) + DAY_US)


@pytest.mark.soak
def test_seconds_of_a_day_are_one_answer(lake_folder):
    (result,), _, found = archived(lake_folder, *last(1), interval="1s")
    assert result.exit_code == 0, result.output
    rows = stored(lake_folder, "SOLUSDT", "1s")
    assert rows == of_day(found, DAYS[-1]) and len(rows) == 86_400


def test_the_answer_keeps_hashes_and_dates_and_a_second_run_fetches_nothing(lake_folder):
    results, store, _ = archived(lake_folder, *last(3), times=2)
    assert [result.exit_code for result in results] == [0, 0], results[0].output
    assert len(store.takes) == 6 and "nothing to do" in results[1].output
    assert "no candles" not in results[1].output, "today is left for REST, and not told as absent"
    lines = lakes_answers(lake_folder)
    request = next(line["request"] for line in lines if line["request"]["day"] == DAYS[-2])
    name = zip_of(DAYS[-2])
    assert request["url"].endswith(f"/data/spot/daily/klines/SOLUSDT/1m/{name}")
    digest = hashlib.sha256(store.files[name]).hexdigest()
    assert request["sha256"] == request["checksum"] == digest
    assert request["etag"] == '"7f"' and request["last_modified"].startswith("Sun, 19 Oct")


def lakes_answers(folder: Path) -> list[dict]:
    files = (folder / "data/raw/binance/_rest/klines_1m/SOLUSDT").rglob("answers*.jsonl")
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def test_what_is_not_published_yet_is_told_and_rest_fetches_it(lake_folder):
    def gone(store: Store) -> None:
        del store.files[zip_of(DAYS[-1])], store.files[f"{zip_of(DAYS[-1])}.CHECKSUM"]

    (result,), _, _ = archived(lake_folder, *last(3), spoil=gone)
    assert result.exit_code == 0
    assert f"not in the archive (yet), left for REST: {zip_of(DAYS[-1])}" in result.output
    done = backfill(lake_folder, market("SOLUSDT"), *last(3), history_days=len(DAYS) + 1)
    assert stored(lake_folder, "SOLUSDT") == since(done.truth["SOLUSDT"], microseconds(DAYS[-3]))
    starts = [int(page["startTime"]) * 1000 for page in done.pages()]
    assert min(starts) == microseconds(DAYS[-1]) and len(starts) == 2


@pytest.mark.soak
def test_a_file_without_a_checksum_is_taken_and_told(lake_folder):
    def bare(store: Store) -> None:
        del store.files[f"{zip_of(DAYS[-1])}.CHECKSUM"]

    (result,), _, found = archived(lake_folder, *last(1), spoil=bare)
    assert result.exit_code == 0 and f"came without a checksum: {zip_of(DAYS[-1])}" in result.output
    assert stored(lake_folder, "SOLUSDT") == of_day(found, DAYS[-1])


def test_a_file_that_was_replaced_on_the_way_is_right_the_second_time(lake_folder):
    def replaced(store: Store) -> None:
        name = f"{zip_of(DAYS[-1])}.CHECKSUM"
        store.later[name] = store.files[name]
        store.files[name] = b"1" * 64 + b"  x.zip\n"

    (result,), _, found = archived(lake_folder, *last(1), spoil=replaced)
    assert result.exit_code == 0, result.output
    assert stored(lake_folder, "SOLUSDT") == of_day(found, DAYS[-1])


def wrong_sum(store: Store, name: str) -> None:
    store.files[f"{name}.CHECKSUM"] = b"0" * 64 + b"  x.zip\n"


def no_sum(store: Store, name: str) -> None:
    store.files[f"{name}.CHECKSUM"] = b"<html>hello</html>"


def half_zip(store: Store, name: str) -> None:
    store.put_zip(name, store.files[name][:20_000])


def no_zip(store: Store, name: str) -> None:
    store.put_zip(name, b"<html>hello</html>")


def empty_zip(store: Store, name: str) -> None:
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    store.put_zip(name, packed.getvalue())


def flipped(store: Store, name: str) -> None:
    """A bit of the packed text is another one, and the checksum is of that."""
    content = bytearray(store.files[name])
    content[len(content) // 2] ^= 4
    store.put_zip(name, bytes(content))


DAMAGED = {
    wrong_sum: "its sha256 is not the one of its CHECKSUM",
    no_sum: "its sha256 is not the one of its CHECKSUM",
    half_zip: "it is no whole zip",
    no_zip: "it is no whole zip",
    empty_zip: "it is no whole zip",
    flipped: "it is no whole zip",
}


def sentences(result: Result) -> list[str]:
    """What was refused: the warnings, and the error at the end."""
    assert result.exit_code == 1, result.output
    lines = result.output.splitlines()
    return [line for line in lines if line.startswith("Error: ") or "WARNING" in line]


def test_damaged_files_are_fetched_again_then_refused_in_a_sentence_each(lake_folder):
    days = dict(zip(DAYS, DAMAGED, strict=False))

    def damage(store: Store) -> None:
        for day, one in days.items():
            one(store, zip_of(day))

    (result,), store, found = archived(lake_folder, *last(len(DAYS)), spoil=damage)
    told = sentences(result)
    assert len(told) == len(DAMAGED) and f"(and {len(DAMAGED) - 1} more)" in told[-1]
    for day, one in days.items():
        (sentence,) = [sentence for sentence in told if f"{zip_of(day)}: " in sentence]
        assert f"{zip_of(day)}: {DAMAGED[one]}" in sentence
        assert "fetched twice; nothing of it was stored" in sentence
        assert store.takes.count(zip_of(day)) == 2
    good = since(found["SOLUSDT"], microseconds(DAYS[len(DAMAGED)]), microseconds(TODAY))
    assert stored(lake_folder, "SOLUSDT") == good, "the other days are there"


ROWS = {
    "it holds 1,439 of 1,440 candles": lambda rows: csv(rows[:700] + rows[701:]),
    "it holds 720 of 1,440 candles": lambda rows: csv(rows[:720]),
    "00:08:00Z is there twice": lambda rows: csv(rows[:9] + rows[8:]),
    "is out of order": lambda rows: csv([rows[1], rows[0], *rows[2:]]),
    "it was not asked for the candle": lambda rows: csv(
        [[row[0] + DAY_US, *row[1:6], row[6] + DAY_US, *row[7:]] for row in rows]
    ),
    "no candle opens at": lambda rows: csv([[rows[0][0] + 7, *rows[0][1:]], *rows[1:]]),
    "does not close when it should": lambda rows: csv([[*rows[0][:6], 5, *rows[0][7:]], *rows[1:]]),
    "it is no list of klines": lambda rows: csv(rows).replace("\n", "", 1),
    "a value that is no number": lambda rows: csv(
        [*rows[:-1], [*rows[-1][:4], "NaN", *rows[-1][5:]]]
    ),
    "it holds 0 of 1,440 candles": lambda rows: "",
}


def test_days_with_wrong_rows_are_refused_in_a_sentence_each_and_rest_decides(lake_folder):
    days = dict(zip(DAYS, ROWS, strict=False))
    texts = {day: ROWS[why] for day, why in days.items()}
    (result,), _, found = archived(lake_folder, *last(len(DAYS)), texts=texts)
    told = sentences(result)
    assert len(told) == len(ROWS)
    for day, why in days.items():
        (sentence,) = [sentence for sentence in told if f"{zip_of(day)}: " in sentence]
        assert why in sentence and "fetch the day without --source archive" in sentence
    good = since(found["SOLUSDT"], microseconds(DAYS[len(ROWS)]), microseconds(TODAY))
    assert stored(lake_folder, "SOLUSDT") == good, "the other days are there"


def test_a_candle_that_cannot_be_stored_exactly_is_told_with_its_line_each_time(lake_folder):
    def odd(rows: list[list]) -> str:
        changed = {3: "0.00000000", 700: f"{rows[700][4]}1"}
        return csv([[*row[:4], changed.get(n, row[4]), *row[5:]] for n, row in enumerate(rows)])

    results, store, found = archived(lake_folder, *last(1), texts={DAYS[-1]: odd}, times=2)
    (file,) = (lake_folder / "data/raw/binance/_rest").rglob("answers.jsonl")
    place = file.relative_to(lake_folder / "data").as_posix()
    told = (
        f"not exactly readable, so not stored, see `rejects`: {place}, line 1: row 4: close is not"
    )
    for result in results:
        assert result.exit_code == 0 and told in result.output, result.output
        assert "SOLUSDT 2025-10-19T00:03:00Z to 2025-10-19T00:04:00Z (1)" in result.output
    assert len(store.takes) == 2 and "nothing to do" in results[1].output
    good = of_day(found, DAYS[-1])
    assert stored(lake_folder, "SOLUSDT") == [*good[:3], *good[4:700], *good[701:]]


def test_without_an_archive_it_says_so_in_one_sentence(lake_folder):
    nowhere = "http://127.0.0.1:9"
    urls = ("--archive-url", nowhere, "--rest-url", nowhere)
    chosen = ("--source", "archive", "--symbols", "SOLUSDT", "--start", DAYS[-1], "--end", TODAY)
    result = lakes.run(lake_folder, "backfill", *urls, *chosen)
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert result.output.startswith(f"Error: {nowhere}/data/spot/daily/klines/SOLUSDT/1m/")
