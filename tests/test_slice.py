"""`lake slice`: the rows, the file, the manifest, and what is refused by name."""

import csv
import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import lakes
import pytest
from click.testing import CliRunner
from lakes import MIDNIGHT, quote, trade
from raw_answers import give_klines
from raw_lines import SECOND_US, micros

EVENING = ("--start", "2025-10-20T22:00:00Z", "--end", "2025-10-21T00:00:00Z")
ALL_DAYS = ("--start", "2025-10-20", "--end", "2025-10-22", "--allow-dark")
SOURCES = {
    "bars 1s": ("--tf", "1s"),
    "bars 1m": (),
    "bars 1h": ("--tf", "1h"),
    "trades": ("--source", "trades"),
    "quotes": ("--source", "quotes"),
}
ENDINGS = ("parquet", "csv")


def take(folder: Path, out: Path, *arguments: str) -> dict:
    """Take a slice; returns its manifest."""
    result = lakes.run(folder, "slice", "--out", str(out), *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(out.with_name(f"{out.name}.manifest.json").read_text(encoding="utf-8"))


def refusal(folder: Path, out: Path, *arguments: str, code: int = 1) -> str:
    """What a slice is refused with; nothing may be left behind."""
    before = sorted(out.parent.iterdir()) if out.parent.is_dir() else []
    result = lakes.run(folder, "slice", "--out", str(out), *arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output and "--debug" not in result.output
    if out.parent.is_dir():
        assert sorted(out.parent.iterdir()) == before
    told = result.output[result.output.index("Error: ") :].strip()
    assert len(told.splitlines()) == 1
    return told


def verified(file: Path) -> tuple[int, str]:
    result = CliRunner().invoke(lakes.lake.cli, ["slice", "--verify", str(file)])
    return result.exit_code, result.output


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def rows_of(file: Path) -> list[tuple]:
    return duckdb.execute(f"set TimeZone = 'UTC'; select * from '{file.as_posix()}'").fetchall()


@pytest.fixture(scope="module")
def holed(tmp_path_factory) -> Path:
    """A lake whose trades 3 and 4 of SOLUSDT are missing, 20 s after the first of its minute."""
    folder = lakes.make(tmp_path_factory.mktemp("holed") / "lake")
    start = MIDNIGHT - 60 * SECOND_US
    moments = {1: 0, 2: 20, 5: 30, 6: 40, 7: 59}
    rows = [trade("SOLUSDT", i, start + s * SECOND_US) for i, s in moments.items()]
    rows += [quote("SOLUSDT", i, start + s * SECOND_US) for i, s in moments.items()]
    lakes.put(folder, "SOLUSDT", rows)
    lakes.bring(folder)
    return folder


@pytest.mark.parametrize("kind", SOURCES)
def test_csv_and_parquet_carry_the_values_of_the_lake(two_days, tmp_path, kind):
    manifests = [
        take(two_days, tmp_path / f"a.{ending}", *SOURCES[kind], *ALL_DAYS) for ending in ENDINGS
    ]
    relation, columns = manifests[0]["relation"], manifests[0]["columns"]
    key = {"trades": "trade_id", "quotes": "update_id"}.get(relation, "window_start")
    expected = lakes.ask(two_days, f"from {relation} order by exchange, symbol, day, {key}")
    assert rows_of(tmp_path / "a.parquet") == expected != []
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        names, *texts = csv.reader(file)
    assert names == list(columns)
    kinds = list(columns.values())
    read = [tuple(map(value, row, kinds)) for row in texts]
    assert [tuple(map(plain, row)) for row in expected] == read
    assert [one["rows"] for one in manifests] == [len(expected)] * 2


def value(text: str, kind: str) -> object:
    """A field of the CSV as Python reads it: no tolerance, no guess."""
    if text == "":
        return None
    if kind == "DOUBLE":
        assert repr(float(text)) in (text, text.replace("e+", "e"))
        return float(text)
    if kind.startswith("TIMESTAMP"):
        assert text.endswith("Z") and text[10] == "T"
        return datetime.fromisoformat(text)
    return text


def plain(one: object) -> object:
    if one is None or isinstance(one, float):
        return one
    return one.astimezone(UTC) if isinstance(one, datetime) else str(one)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_data_gives_the_same_bytes_and_the_same_manifest(two_days, tmp_path, ending):
    other = shutil.copytree(two_days, tmp_path / "elsewhere")
    (other / "data" / "catalog.sql").unlink()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    arguments = ("--source", "trades", *ALL_DAYS)
    take(two_days, tmp_path / "one" / f"a.{ending}", *arguments)
    take(other, tmp_path / "two" / f"a.{ending}", *arguments)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == [f"a.{ending}", f"a.{ending}.manifest.json"]
    for name in names:
        assert sha256(tmp_path / "one" / name) == sha256(tmp_path / "two" / name)


def test_the_bytes_depend_neither_on_threads_nor_on_how_rows_are_run_together(
    two_days, tmp_path, monkeypatch
):
    from runner.slices import query, slicing

    (tmp_path / "one").mkdir()
    take(two_days, tmp_path / "a.parquet", *SOURCES["bars 1s"], *ALL_DAYS)
    monkeypatch.setattr(slicing, "SETTINGS", slicing.SETTINGS.replace("threads = 2", "threads = 1"))
    take(two_days, tmp_path / "one" / "a.parquet", *SOURCES["bars 1s"], *ALL_DAYS)
    assert sha256(tmp_path / "a.parquet") == sha256(tmp_path / "one" / "a.parquet")
    monkeypatch.setattr(query, "ROWS_AT_ONCE", 100)
    take(two_days, tmp_path / "b.parquet", *SOURCES["bars 1s"], *ALL_DAYS)
    assert rows_of(tmp_path / "b.parquet") == rows_of(tmp_path / "a.parquet")


def test_the_manifest_says_what_the_slice_holds_and_what_is_proven_of_it(two_days, tmp_path):
    out = tmp_path / "a.parquet"
    manifest = take(two_days, out, "--symbols", "SOLUSDT", *EVENING)
    assert (manifest["rows"], manifest["sha256"]) == (120, sha256(out))
    assert (manifest["start"], manifest["end"]) == ("2025-10-20T22:00:00Z", "2025-10-21T00:00:00Z")
    assert (manifest["symbols"], manifest["relation"]) == (["SOLUSDT"], "bars_1m")
    assert manifest["gaps"] == []
    [day] = manifest["days"]
    assert (day["day"], day["verdict"], day["missing"]) == ("2025-10-20", "complete", 0)
    assert day["traded_seconds"] + day["quiet_seconds"] == 7200
    assert {"sql/gapfill/bars_1s.sql", "sql/views/bars_1m.sql"} <= set(manifest["sql"])
    assert manifest["versions"]["duckdb"] == duckdb.__version__
    assert str(tmp_path) not in out.with_name("a.parquet.manifest.json").read_text()


def test_a_slice_opens_only_the_days_and_symbols_that_it_needs(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    for symbol, day in (("BTCUSDT", lakes.DAY), ("SOLUSDT", lakes.NEXT_DAY)):
        for relation in ("trades", "bars_1s"):
            path = folder / "data" / lakes.place(relation, symbol, day)
            content = path.read_bytes()
            path.write_bytes(
                content[:4] + b"\0" * (len(content) // 2) + content[-(len(content) // 2) :]
            )
    arguments = ("--source", "trades", "--symbols", "SOLUSDT", *EVENING)
    assert take(folder, tmp_path / "a.csv", *arguments)["rows"] == 46


def test_a_dark_stretch_is_refused_by_its_name_and_taken_when_asked_for(holed, tmp_path):
    out = tmp_path / "a.csv"
    minute = ("--start", "2025-10-20T23:59:00Z", "--end", "2025-10-21T00:00:00Z", "--tf", "1s")
    told = refusal(holed, out, *minute)
    stretch = "SOLUSDT dark 2025-10-20T23:59:20Z to 2025-10-20T23:59:31Z"
    assert "1 stretch is not known to be whole" in told and stretch in told
    assert "--allow-dark" in told and "--start" in told
    assert stretch in refusal(holed, tmp_path / "a.csv", *minute[:4], "--source", "trades")
    manifest = take(holed, out, *minute, "--allow-dark")
    assert [gap["state"] for gap in manifest["gaps"]] == ["dark"]
    assert manifest["days"][0]["verdict"] == "incomplete"
    with out.open(encoding="utf-8", newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert (len(states), states.count("dark"), states.count("partial")) == (60, 9, 4)


def test_what_lies_beside_the_dark_stretch_is_taken_without_asking(holed, tmp_path):
    before = ("--start", "2025-10-20T23:59:00Z", "--end", "2025-10-20T23:59:20Z", "--tf", "1s")
    assert take(holed, tmp_path / "a.csv", *before)["gaps"] == []
    after = ("--start", "2025-10-20T23:59:31Z", "--end", "2025-10-21T00:00:00Z", "--tf", "1s")
    assert take(holed, tmp_path / "b.csv", *after)["rows"] == 29
    inside = ("--start", "2025-10-20T23:59:30.5Z", "--end", "2025-10-20T23:59:59Z")
    assert "SOLUSDT dark 2025-10-20T23:59:30Z to" in refusal(
        holed, tmp_path / "c.csv", *inside, "--source", "trades"
    ).replace("partial", "dark")


def test_time_without_a_record_is_refused_by_its_name(two_days, tmp_path):
    days = ("--start", "2025-10-20", "--end", "2025-10-23", "--symbols", "SOLUSDT")
    told = refusal(two_days, tmp_path / "a.csv", *days)
    assert "SOLUSDT not recorded 2025-10-20T00:00:00Z to 2025-10-20T21:58:00Z" in told
    assert "SOLUSDT not recorded 2025-10-21T00:01:54Z to 2025-10-23T00:00:00Z" in told
    assert "2 stretches" in told


def test_seconds_that_a_file_lacks_are_refused(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    path = folder / "data" / lakes.place("bars_1s", "SOLUSDT", lakes.DAY)
    duckdb.execute(f"create table kept as from '{path}' where second(window_start) <> 7")
    duckdb.execute(f"copy kept to '{path}' (format parquet)")
    duckdb.execute("drop table kept")
    told = refusal(folder, tmp_path / "a.csv", "--symbols", "SOLUSDT", *EVENING)
    assert "seconds in no file" in told


def test_quotes_are_refused_where_the_stream_was_not_on(holed, two_days, tmp_path):
    arguments = ("--source", "quotes", "--symbols", "SOLUSDT")
    told = refusal(two_days, tmp_path / "a.csv", *arguments, *ALL_DAYS[:-1])
    assert "SOLUSDT not covered 2025-10-20T00:00:00Z to 2025-10-20T21:58:00Z" in told
    assert take(two_days, tmp_path / "b.csv", *arguments, *EVENING)["gaps"] == []
    minute = ("--start", "2025-10-20T23:59:00Z", "--end", "2025-10-20T23:59:59Z")
    assert take(holed, tmp_path / "c.csv", *arguments, *minute)["gaps"] == []


def test_ticks_of_the_hour_that_is_still_recorded_are_refused(tmp_path):
    folder = lakes.make(tmp_path / "lake")
    start = MIDNIGHT - 600 * SECOND_US
    rows = [trade("SOLUSDT", n, start + n * SECOND_US) for n in range(1200)]
    rows += [quote("SOLUSDT", n, start + n * SECOND_US) for n in range(1200)]
    lakes.put(folder, "SOLUSDT", rows)
    lakes.put(folder, "_sessions", lakes.sessions(start, start + SECOND_US, ["SOLUSDT"])[:3])
    with lakes.hold_collector(folder):
        lakes.bring(folder)
    hours = ("--start", "2025-10-20T23:51:00Z", "--end", "2025-10-21T00:05:00Z")
    assert take(folder, tmp_path / "a.csv", *hours)["gaps"] == []
    told = refusal(folder, tmp_path / "b.csv", *hours, "--source", "trades")
    assert "trades not published 2025-10-21T00:00:00Z to 2025-10-21T00:05:00Z" in told
    told = refusal(folder, tmp_path / "b.csv", *hours, "--source", "quotes")
    assert "not covered 2025-10-21T00:00:00Z to 2025-10-21T00:05:00Z" in told
    over = (*hours[:3], "2025-10-21T00:00:00Z")
    for source, count in (("trades", 540), ("quotes", 540)):
        taken = take(folder, tmp_path / f"{source}.csv", *over, "--source", source)
        assert (taken["rows"], taken["gaps"]) == (count, [])


def test_trades_whose_file_is_gone_are_refused(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    (folder / "data" / lakes.place("trades", "SOLUSDT", lakes.DAY)).unlink()
    told = refusal(folder, tmp_path / "a.csv", *EVENING, "--source", "trades")
    assert "SOLUSDT trades not published 2025-10-20T22:00:00Z to" in told


def test_klines_are_refused_where_there_are_none_and_where_one_is_missing(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    arguments = ("--source", "klines", *EVENING)
    assert "nothing to slice" in refusal(folder, tmp_path / "a.csv", *arguments)
    hole = micros("2025-10-20T22:30:00Z") // 1000
    give_klines(
        folder,
        lambda rows, symbol, _: [
            row for row in rows if (symbol, row[0]) not in [("SOLUSDT", hole), ("BTCUSDT", 0)]
        ],
    )
    assert "--tf 1m" in refusal(folder, tmp_path / "a.csv", *arguments, "--tf", "5m")
    told = refusal(folder, tmp_path / "a.csv", *arguments)
    assert "SOLUSDT no kline 2025-10-20T22:30:00Z to 2025-10-20T22:31:00Z" in told
    assert "1 stretch is" in told and "BTCUSDT" not in told
    manifest = take(folder, tmp_path / "a.csv", *arguments, "--symbols", "BTCUSDT")
    assert (manifest["relation"], manifest["rows"], manifest["days"]) == ("klines_1m", 120, [])
    assert "sql/staging/klines.sql" in json.dumps(manifest["sql"])


def test_a_slice_of_nothing_is_a_refusal_and_no_file(two_days, lake_folder, tmp_path):
    arguments = ("--start", "2024-01-01", "--end", "2024-01-02", "--allow-dark")
    told = refusal(two_days, tmp_path / "a.csv", *arguments)
    assert "nothing to slice" in told and "2025-10-20T21:58:00Z" in told
    assert "nothing to slice" in refusal(lake_folder, tmp_path / "a.csv", *arguments)


USAGE = {
    "no time": (("--start", "noon", "--end", "2025-10-21"), "'noon' is no time"),
    "no such day": (("--start", "2025-02-30", "--end", "2025-10-21"), "'2025-02-30' is no time"),
    "a year beyond": (("--start", "9999-12-31", "--end", "2025-10-21"), "is no time"),
    "end before start": (("--start", "2025-10-21", "--end", "2025-10-20"), "must be later"),
    "end at start": (("--start", "2025-10-20", "--end", "2025-10-20"), "must be later"),
    "inside a bar": (("--start", "2025-10-20T22:00:30Z", "--end", "2025-10-21"), "inside a bar"),
    "no end": (("--start", "2025-10-20"), "--end must be given"),
    "symbols of none": ((*EVENING, "--symbols", " , "), "names none"),
    "a width of trades": ((*EVENING, "--source", "trades", "--tf", "1m"), "--tf is for bars"),
    "another format": ((*EVENING, "--format", "parquet"), "must end in .parquet"),
    "a check as well": ((*EVENING, "--verify", "b.csv"), "goes alone"),
}


@pytest.mark.parametrize("kind", USAGE)
def test_wrong_usage_is_told_in_one_sentence(two_days, tmp_path, kind):
    arguments, words = USAGE[kind]
    assert words in refusal(two_days, tmp_path / "a.csv", *arguments, code=2)


@pytest.mark.parametrize(
    "symbol", ["SOLUSD", "solusdt", "'; drop table x; --", "../etc", "*", "é%00"]
)
def test_a_symbol_that_is_not_there_is_refused(two_days, tmp_path, symbol):
    told = refusal(two_days, tmp_path / "a.csv", *EVENING, "--symbols", symbol)
    assert "there are no bars of" in told
    assert ("SOLUSDT" in told) == (symbol.lower().startswith("solusd"))


@pytest.mark.parametrize(
    "name, words",
    {
        "no/such/folder/a.csv": "there is no folder",
        "a.csv/a.csv": "there is no folder",
        "folder.csv": "is a folder",
        "lake/data/parquet/a.parquet": "the lake's own data",
        "lake/data/../data/a.csv": "the lake's own data",
        "x" * 300 + ".csv": "File name too long",
    }.items(),
)
def test_a_place_that_cannot_be_written_is_refused(two_days, tmp_path, name, words):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    (tmp_path / "folder.csv").mkdir()
    assert words in refusal(folder, tmp_path / name, *EVENING)


@pytest.mark.parametrize("name", ["lake.db", "config.yml", "slice", "-", "a.csv.gz"])
def test_a_file_of_another_ending_is_refused(two_days, tmp_path, name):
    assert ".parquet or .csv" in refusal(two_days, tmp_path / name, *EVENING, code=2)


@pytest.mark.parametrize("name", ["it's [a] *.csv", "naïve 雪.PARQUET"])
def test_odd_names_are_written_as_they_are(two_days, tmp_path, name):
    folder = tmp_path / "it's {a} [b]*"
    folder.mkdir()
    take(two_days, folder / name, *EVENING)
    assert sorted(path.name for path in folder.iterdir()) == [name, f"{name}.manifest.json"]
    assert verified(folder / name)[0] == 0


def test_what_is_there_stays_unless_it_is_forced(two_days, tmp_path):
    out = tmp_path / "a.csv"
    out.write_text("mine")
    assert "--force" in refusal(two_days, out, *EVENING)
    assert out.read_text() == "mine"
    take(two_days, out, *EVENING, "--force")
    before = out.read_bytes()
    told = refusal(two_days, out, "--start", "2025-10-20", "--end", "2025-10-21", "--force")
    assert "not recorded" in told and out.read_bytes() == before
    out.unlink()
    assert "manifest.json is there already" in refusal(two_days, out, *EVENING)


@pytest.mark.parametrize(
    "damage, words",
    {
        "flip": "sha256",
        "cut": "bytes",
        "append": "bytes",
        "no manifest": "no manifest",
        "not json": "is no manifest of a slice",
        "a list": "is no manifest of a slice",
        "other verdict": "was changed after it was written",
    }.items(),
)
def test_a_slice_that_was_changed_does_not_hold(two_days, tmp_path, damage, words):
    out = tmp_path / "a.parquet"
    take(two_days, out, *EVENING)
    manifest = tmp_path / "a.parquet.manifest.json"
    content = out.read_bytes()
    if damage == "flip":
        out.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif damage == "cut":
        out.write_bytes(content[:-1])
    elif damage == "append":
        out.write_bytes(content + b"\n")
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "other verdict":
        text = manifest.read_text(encoding="utf-8").replace('"missing": 0', '"missing": 1')
        manifest.write_text(text, encoding="utf-8")
    else:
        manifest.write_text("{" if damage == "not json" else "[]")
    code, told = verified(out)
    assert code == 3 and words in told and len(told.strip().splitlines()) == 1


def test_a_slice_is_checked_without_a_lake_and_under_another_folder(
    two_days, tmp_path, monkeypatch
):
    take(two_days, tmp_path / "a.csv", *EVENING)
    away = tmp_path / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    for name in ("a.csv", "a.csv.manifest.json"):
        (tmp_path / name).rename(away / name)
    code, told = verified(Path("a.csv"))
    assert code == 0 and "a.csv holds: 240 rows of bars_1m" in told
    code, told = verified(Path("b.csv"))
    assert code == 1 and "there is no file b.csv" in told


def test_the_sql_of_a_slice_may_be_replaced_in_the_lake(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    text = (lakes.ROOT / "sql" / "slices" / "rows.sql.jinja").read_text(encoding="utf-8")
    (folder / "sql" / "slices").mkdir(parents=True)
    (folder / "sql" / "slices" / "rows.sql.jinja").write_text(
        text.replace("select *", "select symbol, window_start, close"), encoding="utf-8"
    )
    assert list(take(folder, tmp_path / "a.csv", *EVENING)["columns"]) == [
        "symbol",
        "window_start",
        "close",
    ]
