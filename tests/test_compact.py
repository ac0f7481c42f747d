"""Sealed days: what `lake compact` verifies, writes and removes, and what stands from then on."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import duckdb
import lakes
import pytest
from lakes import DAY, MIDNIGHT, NEXT_DAY, absent, place, put, quote, trade
from raw_lines import MINUTE_US, SECOND_US, write_repairs
from sealed_lakes import (
    LATE_US,
    OVER_US,
    PACK,
    RELATIONS,
    SYMBOL,
    archived,
    compact,
    late_trade,
    make_over,
    raw_of,
    shown,
    sums,
)
from test_build_editing import override

from runner.build.packed import content, read_index


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory) -> Path:
    """A built lake whose first day is over, with a trade heard after midnight. Only look."""
    return make_over(tmp_path_factory.mktemp("unsealed") / "lake")


@pytest.fixture(scope="module")
def sealed(unsealed, tmp_path_factory) -> Path:
    """The same lake, its first day sealed. Only look: tests that change it copy it."""
    folder = shutil.copytree(unsealed, tmp_path_factory.mktemp("sealed") / "lake")
    compact(folder)
    return folder


@pytest.fixture
def own(sealed, tmp_path) -> Path:
    """A sealed lake of one's own; times of change go with it, as caches know them."""
    return shutil.copytree(sealed, tmp_path / "lake")


def test_each_file_of_the_day_is_in_the_archive_with_its_hash(sealed):
    wanted = {place(name, SYMBOL, DAY) for name in RELATIONS}
    now = lakes.published(sealed)
    assert archived(sealed) == sums(sealed) == {name: now[name] for name in wanted}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_agrees_and_finds_one_flipped_bit(own):
    folder = own / "data/ticks/binance/trades" / SYMBOL
    check = ["sha256sum", "-c", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder, capture_output=True).returncode == 0
    path = own / "data" / place("trades", SYMBOL, DAY)
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    path.write_bytes(flipped)
    assert subprocess.run(check, cwd=folder, capture_output=True).returncode == 1
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert archived(own)[place("trades", SYMBOL, DAY)] != digest


def test_the_archive_counts_rows_seconds_and_span(sealed):
    query = """
        select rows, missing_seconds, missing_trades, duplicates, verdict,
            epoch_us(span.start_at), epoch_us(span.end_at), bytes > 0,
            contains(schema, 'trade_count BIGINT')
        from archive where relation = 'bars_1s'"""
    [(rows, seconds)] = lakes.ask(
        sealed,
        f"select count(*), count(*) filter (state <> 'dark') from bars_1s where day = '{DAY}'",
    )
    [found] = lakes.ask(sealed, query)
    last = MIDNIGHT - SECOND_US
    assert found[:5] == (rows, 86400 - seconds, 0, 0, "complete")
    assert found[5:] == (last - (rows - 1) * SECOND_US, last, True, True)


def test_raw_is_packed_part_by_part_and_the_folder_is_gone(unsealed, sealed):
    pack, parts = sealed / PACK, raw_of(unsealed)
    index = read_index(pack)
    assert {part.name: content(pack, part) for part in index.parts} == parts
    assert not pack.with_name(DAY).exists()
    rows = f"from read_json('{pack}', format = 'newline_delimited')"
    lines = b"".join(parts.values()).count(b"\n")
    assert duckdb.execute(f"select count(*) {rows}").fetchone() == (lines,)
    assert sum(part.lines for part in index.parts) == lines


def test_only_hour_parts_of_sealed_days_go(sealed):
    staged = sealed / "data/work/staged/binance" / SYMBOL
    assert [path.name for path in staged.iterdir()] == [NEXT_DAY]
    assert (staged / NEXT_DAY / "00" / "note.json").exists()


def test_sealing_changes_no_published_row_and_leaves_nothing_stale(unsealed, own):
    before = lakes.published(unsealed)
    after = shown(own)
    assert after == before
    lakes.bring(own)  # the copy's lake.db names its own paths
    assert lakes.dry(own) == []
    stamps = lakes.stamps(own)
    assert compact(own) == ["nothing to seal: every day that is over is sealed"]
    assert lakes.stamps(own) == stamps


def test_a_day_is_over_so_many_minutes_after_midnight(tmp_path, unsealed):
    folder = shutil.copytree(unsealed, tmp_path / "lake")
    lakes.make(folder, "compact:\n  lateness_minutes: 32\n")
    assert "nothing to seal" in compact(folder)[0]
    lakes.make(folder, "compact:\n  lateness_minutes: 31\n")
    assert compact(folder)[0].startswith(f"sealed {SYMBOL} {DAY}")


@pytest.mark.soak
def test_only_the_day_that_is_asked_for_is_sealed(tmp_path, unsealed):
    folder = shutil.copytree(unsealed, tmp_path / "lake")
    put(folder, SYMBOL, [trade(SYMBOL, 95, MIDNIGHT + 25 * 60 * MINUTE_US)])
    compact(folder, "--date", NEXT_DAY)
    assert lakes.ask(folder, "select distinct day::varchar from archive") == [(NEXT_DAY,)]
    assert raw_of(folder)
    compact(folder)
    assert not (folder / PACK).with_name(DAY).exists() and (folder / PACK).exists()


def test_a_day_with_missing_trades_is_sealed_and_says_so(tmp_path):
    folder = lakes.make_two_days(tmp_path / "lake", [SYMBOL])
    for path in (folder / "data/raw/binance" / SYMBOL / DAY).glob("part_1321.jsonl"):
        path.unlink()
    put(folder, SYMBOL, [quote(SYMBOL, 9000, OVER_US, conn=2)])
    [told, *_] = compact(folder)
    assert told.endswith("incomplete (8 trades are missing)")
    [(missing, seconds)] = lakes.ask(
        folder,
        "select missing_trades, missing_seconds from archive where relation = 'bars_1s'",
    )
    dark = f"select count(*) from bars_1s where day = '{DAY}' and state = 'dark'"
    [(rows,)] = lakes.ask(folder, f"select count(*) from bars_1s where day = '{DAY}'")
    assert (missing, seconds) == (8, 86400 - rows + lakes.ask(folder, dark)[0][0])


DAMAGES = {
    "trades": "select * from old where trade_id <> 5",
    "quotes": "select * replace (bid + 1 as bid) from old",
    "bars_1s": "select * from old where trade_count = 0 or trade_count is null",
    "covers": "select * replace (end_at - interval 1 second as end_at) from old",
    "tape_days": "select * replace (0 as missing, 'complete' as verdict, 1 as count) from old",
}


@pytest.mark.parametrize("relation", DAMAGES)
def test_a_file_that_is_not_what_was_staged_is_not_sealed(tmp_path, unsealed, relation):
    folder = shutil.copytree(unsealed, tmp_path / "lake")
    forge(folder / "data" / place(relation, SYMBOL, DAY), DAMAGES[relation])
    result = lakes.run(folder, "compact")
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert f"{SYMBOL} {DAY}: {relation} cannot be sealed" in result.output
    assert archived(folder) == {} and raw_of(folder)


def forge(path: Path, query: str) -> None:
    """Other rows under the same metadata, as a damage that no footer tells of."""
    with duckdb.connect() as con:
        con.execute(f"create view old as from read_parquet('{path}', hive_partitioning = false)")
        pairs = con.execute(
            f"select decode(key), decode(value) from parquet_kv_metadata('{path}')"
        ).fetchall()
        quoted = ", ".join(
            "'{}': '{}'".format(key, value.replace("'", "''"))
            for key, value in pairs
            if key.startswith("lake.")
        )
        forged = path.with_name("forged")
        con.execute(f"copy ({query}) to '{forged}' (format parquet, kv_metadata {{{quoted}}})")
        con.execute("drop view old")
    forged.replace(path)


def test_a_late_trade_reopens_exactly_its_day_and_the_next_run_seals_it_again(own):
    before = lakes.published(own)
    write_repairs(own / "data", SYMBOL, [late_trade()])
    lakes.bring(own)
    changed = {place(name, SYMBOL, DAY) for name in ("trades", "bars_1s", "tape_days")}
    now = lakes.published(own)
    assert {name for name in lakes.changed(before, now) if f"day=20/{DAY}" in name} == changed
    assert archived(own) == sums(own)
    assert set(archived(own)) == {place(name, SYMBOL, DAY) for name in ("quotes", "covers")}
    assert lakes.dry(own) == []
    assert compact(own)[0].startswith(f"sealed {SYMBOL} {DAY}: ")
    assert archived(own) == sums(own)
    assert set(archived(own)) == {place(name, SYMBOL, DAY) for name in RELATIONS}
    assert not (own / PACK).with_name(DAY).exists()
    assert any("repair" in part.name for part in read_index(own / PACK).parts)
    assert lakes.dry(own) == []


def test_late_lines_give_the_bytes_of_a_build_that_had_them_from_the_start(own, unsealed, tmp_path):
    lines = [late_trade(95, LATE_US), late_trade(96, LATE_US + 1), absent(SYMBOL, 97, 99, LATE_US)]
    fresh = lakes.make(tmp_path / "fresh")
    shutil.copytree(unsealed / "data/raw", fresh / "data/raw")
    for folder in (own, fresh):
        write_repairs(folder / "data", SYMBOL, [line | {"ts_recv": OVER_US} for line in lines])
    compact(own)
    shutil.rmtree(own / "data/work")
    lakes.bring(own)
    lakes.bring(fresh)
    mine = shown(own)
    assert mine == lakes.published(fresh)


def test_ids_that_the_exchange_lacks_stay_known_when_their_raw_is_packed(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    rows = [trade(SYMBOL, n, LATE_US + n * SECOND_US) for n in (1, 2, 3, 7, 8)]
    put(folder, SYMBOL, [*rows, quote(SYMBOL, 1, LATE_US + SECOND_US)])
    write_repairs(folder / "data", SYMBOL, [absent(SYMBOL, 4, 6, LATE_US) | {"ts_recv": OVER_US}])
    put(folder, SYMBOL, [trade(SYMBOL, 9, OVER_US)])
    lakes.bring(folder)
    before = lakes.published(folder)
    compact(folder)
    shutil.rmtree(folder / "data/work")
    lakes.bring(folder)
    after = shown(folder)
    assert after == before
    assert lakes.ask(folder, "select absent_upstream, verdict from tape order by day limit 1") == [
        (3, "complete")
    ]


def test_a_copy_of_a_sealed_trade_changes_nothing(own, unsealed):
    before = lakes.published(own)
    [copy] = [
        json.loads(line)
        for line in b"".join(raw_of(unsealed).values()).splitlines()
        if json.loads(line).get("trade_id") == 40
    ]
    put(own, SYMBOL, [copy | {"ts_recv": OVER_US + SECOND_US, "conn": None, "source": "rest"}])
    lakes.bring(own)
    now = {name: digest for name, digest in lakes.published(own).items()}
    assert not [name for name in lakes.changed(before, now) if f"day=20/{DAY}" in name]


EDITS = {
    "sql/staging/trades.sql": ("    price,", "    price * 2 as price,"),
    "sql/staging/staged_trades.sql": (
        "    price,",
        "    (price * 2)::decimal(18, 8) as price,",
    ),
    "sql/staging/quotes.sql": ("    bid,", "    bid * 2 as bid,"),
}


ONE, *OTHERS = EDITS
FILES = [ONE, *(pytest.param(file, marks=pytest.mark.soak) for file in OTHERS)]


@pytest.mark.parametrize("file", FILES)
def test_an_edit_of_staging_leaves_sealed_days_as_they_are(own, file):
    before = {name: one for name, one in lakes.published(own).items() if f"day=20/{DAY}" in name}
    (own / PACK).unlink()
    override(own, file, *EDITS[file])
    lakes.bring(own)
    after = {name: one for name, one in lakes.published(own).items() if f"day=20/{DAY}" in name}
    assert after == before and archived(own) == sums(own)
    write_repairs(own / "data", SYMBOL, [late_trade()])
    lakes.bring(own)
    query = f"select max({{}}) from {{}} where day = '{DAY}' and ts_recv < '{NEXT_DAY}'"
    [(price,)] = lakes.ask(own, query.format("price", "trades"))
    [(bid,)] = lakes.ask(own, query.format("bid", "quotes"))
    assert price < 110 and bid < 110


def test_an_edit_of_a_formula_rebuilds_sealed_bars_and_strikes_them_off(own):
    override(own, "macros/vwap.sql", "sum(volume_quote)", "1 + sum(volume_quote)")
    lakes.bring(own)
    names = {place(name, SYMBOL, DAY) for name in RELATIONS if name != "bars_1s"}
    assert set(archived(own)) == set(sums(own)) == names
    compact(own)
    assert set(archived(own)) == set(sums(own)) == names | {place("bars_1s", SYMBOL, DAY)}
    now = lakes.published(own)
    assert all(now[name] == digest for name, digest in sums(own).items())


def test_packed_raw_counts_as_raw_when_it_is_asked_for(own, unsealed):
    before = lakes.published(unsealed)
    path = own / "data" / place("trades", SYMBOL, DAY)
    path.unlink()
    assert lakes.run(own, "build").exit_code == 1
    lakes.bring(own, from_raw=True)
    after = shown(own)
    assert after == before
    assert lakes.dry(own) == []
    compact(own)
    assert set(archived(own)) == {place(name, SYMBOL, DAY) for name in RELATIONS}


@pytest.mark.soak
def test_from_raw_applies_an_edit_of_staging_to_sealed_days(own):
    override(own, "sql/staging/staged_trades.sql", *EDITS["sql/staging/staged_trades.sql"])
    lakes.bring(own, from_raw=True)
    [(price,)] = lakes.ask(own, f"select min(price) from trades where day = '{DAY}'")
    assert price >= 200
    assert place("trades", SYMBOL, DAY) not in archived(own) | sums(own)


def test_from_raw_without_all_raw_leaves_a_sealed_day_as_it_is(own):
    before = lakes.published(own)
    (own / PACK).unlink()
    write_repairs(own / "data", SYMBOL, [late_trade(40)])
    result = lakes.run(own, "build", "--from-raw", "--date", DAY)
    assert result.exit_code == 1 and f"{SYMBOL} {DAY}" in result.output
    count = f"select count(*) from trades where day = '{DAY}'"
    assert lakes.ask(own, count) == [(64,)]
    assert (
        lakes.published(own)[place("quotes", SYMBOL, DAY)] == before[place("quotes", SYMBOL, DAY)]
    )


def test_a_recorder_whose_clock_is_slow_keeps_the_raw_that_the_next_day_needs(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    skew = 2 * SECOND_US
    moments = [MIDNIGHT - MINUTE_US + n * SECOND_US for n in range(120)]
    rows = [
        trade(SYMBOL, n, moment, ts_recv=moment - skew, event_time=moment)
        for n, moment in enumerate(moments, 1)
    ]
    rows += [trade(SYMBOL, 7, moments[6] - 3 * 60 * MINUTE_US)]
    rows[-1]["trade_id"] = 121
    put(folder, SYMBOL, rows)
    put(folder, SYMBOL, [quote(SYMBOL, 1, OVER_US + MINUTE_US)])
    compact(folder)
    raw = folder / "data/raw/binance" / SYMBOL
    assert [path.name for path in (raw / DAY).iterdir()] == ["part_1439.jsonl", "part_1440.jsonl"]
    assert [part.name for part in read_index(folder / PACK).parts] == ["part_1260.jsonl"]
    before = lakes.published(folder)
    shutil.rmtree(folder / "data/work")
    lakes.bring(folder)
    assert lakes.changed(before, lakes.published(folder)) == set()
    put(folder, SYMBOL, [quote(SYMBOL, 2, OVER_US + 25 * 60 * MINUTE_US)])
    compact(folder)
    assert not (raw / DAY).exists()
    assert read_index(folder / PACK).days == [DAY, NEXT_DAY]


def test_late_parts_under_a_name_that_is_packed_already_lose_nothing(own):
    lines = [trade(SYMBOL, 95, MIDNIGHT - 30 * SECOND_US, conn=None, source="rest")]
    put(own, SYMBOL, lines)
    assert (own / PACK).with_name(DAY).joinpath("part_1440.jsonl").exists()
    compact(own)
    names = [part.name for part in read_index(own / PACK).parts]
    assert {"part_1440.jsonl", "part_1440_2.jsonl"} <= set(names)
    count = f"select count(*) from trades where day = '{DAY}'"
    assert lakes.ask(own, count) == [(65,)]
    lakes.bring(own, from_raw=True)
    assert lakes.ask(own, count) == [(65,)]


def test_unreadable_lines_of_a_sealed_day_stay_known(tmp_path, unsealed):
    folder = shutil.copytree(unsealed, tmp_path / "lake")
    lakes.part(folder, SYMBOL, MIDNIGHT - 100 * MINUTE_US, b"what is this\n")
    compact(folder)
    assert place("rejects", SYMBOL, DAY) in archived(folder)
    lakes.part(folder, SYMBOL, MIDNIGHT - 50 * MINUTE_US, b"and this\n")
    for _ in range(2):
        compact(folder)
        lakes.bring(folder)
        texts = lakes.ask(folder, f"select text from rejects where day = '{DAY}' order by text")
        assert texts == [("and this",), ("what is this",)]
        assert lakes.dry(folder) == []
