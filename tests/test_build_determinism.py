"""The same raw lines give the same bytes: whatever the threads, route, folder, number of builds."""

import shutil
from pathlib import Path

import lakes
import pytest
from raw_lines import HOUR_US, MINUTE_US
from tapes import write_lake

LAKES = ["random_lake", pytest.param("two_days", marks=pytest.mark.soak)]


@pytest.fixture(scope="module")
def random_lake(tmp_path_factory) -> Path:
    """A lake of random tapes with everything that goes wrong, interrupted for an hour, built."""
    folder = lakes.make(tmp_path_factory.mktemp("random") / "lake")
    write_lake(folder / "data", seed=11, symbols=7, span_us=3 * MINUTE_US, gap_us=HOUR_US)
    lakes.bring(folder, threads=2)
    return folder


def only_raw(source: Path, target: Path) -> Path:
    """Another lake with the same raw, not built."""
    lakes.make(target)
    shutil.copytree(source / "data" / "raw", target / "data" / "raw")
    return target


@pytest.mark.parametrize("source", LAKES)
def test_one_thread_gives_the_bytes_of_two_also_in_another_folder(source, request, tmp_path):
    source = request.getfixturevalue(source)
    other = only_raw(source, tmp_path / "Another folder, d'été")
    lakes.bring(other, threads=1)
    assert lakes.published(other) == lakes.published(source) != {}


@pytest.mark.parametrize("source", LAKES)
def test_built_hour_by_hour_gives_the_bytes_of_built_at_once(source, request, tmp_path):
    source = request.getfixturevalue(source)
    other = lakes.make(tmp_path / "lake")
    steps: dict[tuple[str, int], list[Path]] = {}
    raw = source / "data" / "raw"
    for path in sorted(raw.rglob("*.jsonl")):
        day, kind, number = path.parent.name, *path.stem.split("_")[:2]
        hour = (int(number) - 1) // 60 if kind == "part" else int(number)
        steps.setdefault((day, hour), []).append(path)
    assert len(steps) > 1
    for step in sorted(steps):
        with lakes.hold_collector(other):
            for path in steps[step]:
                target = other / "data" / "raw" / path.relative_to(raw)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
            lakes.bring(other)
    lakes.bring(other)
    assert lakes.published(other) == lakes.published(source)


def test_parts_that_come_in_the_wrong_order_give_the_same_bytes(two_days, tmp_path):
    raw = two_days / "data" / "raw"
    other = lakes.make(tmp_path / "lake")
    shutil.copytree(raw / "binance" / "_sessions", other / "data" / "raw" / "binance" / "_sessions")
    parts = sorted(raw.glob("binance/[!_]*/*/*.jsonl"), reverse=True)
    for chosen in (parts[::2], parts[1::2]):
        for path in chosen:
            target = other / "data" / "raw" / path.relative_to(raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        lakes.bring(other)
    assert lakes.published(other) == lakes.published(two_days)


def test_a_second_build_does_nothing_and_says_so(two_days):
    before = lakes.stamps(two_days), (two_days / "lake.db").stat().st_mtime_ns
    result = lakes.run(two_days, "build")
    assert (result.exit_code, result.output) == (0, "nothing is stale: everything is up to date\n")
    assert (lakes.stamps(two_days), (two_days / "lake.db").stat().st_mtime_ns) == before


def test_three_builds_count_each_second_once(two_days):
    query = "select count(*), count(distinct (symbol, window_start)), sum(trade_count) from bars_1s"
    assert lakes.bring(two_days).is_empty
    seconds = 2 * (2 * 3600 + 120 + 113 + 1)
    assert lakes.ask(two_days, query) == [(seconds, seconds, 2 * 94)]


def test_a_forced_rebuild_from_ticks_or_from_raw_gives_the_same_bytes(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    before = lakes.published(folder)
    for choice in ({"full_refresh": True}, {"from_raw": True}):
        assert not lakes.bring(folder, **choice).is_empty
        assert lakes.published(folder) == before


def test_any_deleted_file_is_rebuilt_and_no_other(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    lakes.bring(folder)
    bytes_before, stamps_before = lakes.published(folder), lakes.stamps(folder)
    victims = [name for name in bytes_before if "SOLUSDT/year=2025/month=10/day=20" in name]
    victims += [name for name in bytes_before if "sessions/year=2025" in name]
    victims += [name for name in bytes_before if "parquet/_schema" in name]
    assert len(victims) == 7
    for name in victims:
        (folder / "data" / name).unlink()
        lakes.bring(folder)
        after = lakes.stamps(folder)
        assert lakes.changed(stamps_before, after) == {name}
        stamps_before = after
    assert lakes.published(folder) == bytes_before


def test_a_deleted_workshop_is_made_anew_and_nothing_is_published_again(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    lakes.bring(folder)
    before = lakes.stamps(folder)
    shutil.rmtree(folder / "data" / "work")
    lakes.bring(folder)
    assert lakes.stamps(folder) == before
    assert lakes.dry(folder) == []


def test_a_damaged_file_is_made_anew(two_days, tmp_path):
    folder = shutil.copytree(two_days, tmp_path / "lake")
    before = lakes.published(folder)
    for relation in ("bars_1s", "trades"):
        (folder / "data" / lakes.place(relation, "SOLUSDT", lakes.DAY)).write_bytes(b"PAR1")
    lakes.bring(folder)
    assert lakes.published(folder) == before


def test_metadata_of_a_file_holds_no_time_path_name_or_version(two_days):
    import duckdb

    told = duckdb.execute(
        "select decode(key), decode(value) from parquet_kv_metadata($1)",
        [str(two_days / "data" / "*" / "**" / "*.parquet").replace("/data/*/", "/data/[pt]*/")],
    ).fetchall()
    keys = {key for key, _ in told}
    assert {"lake.sql", "lake.inputs", "lake.rows", "lake.hash"} <= keys
    text = "\n".join(value for _, value in told)
    for word in (str(two_days), ".jsonl", ".parquet", "work/", duckdb.__version__, "thread"):
        assert word not in text
