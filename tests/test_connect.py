"""lake.connect(): what pandas, Polars and Arrow get, in many threads and during builds."""

import os
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import lakes
import numpy
import pandas
import polars
import pyarrow
import pytest
from lakes import DAY, MIDNIGHT, NEXT_DAY, NOON, trade
from raw_lines import SECOND_US

import lake

# DuckDB 2.0 asks pandas for something that pandas 3.1 wants to drop one day
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop")
TIMES = 150
MINUTE = "from bars('SOLUSDT', '2025-10-20', '2025-10-21')"
HOLED = "from bars_1s where symbol = 'HOLED' order by window_start"
DOUBLES = ("open", "high", "low", "close", "volume_base", "volume_quote", "vwap", "bid", "ask")
DOUBLES += ("spread", "taker_buy_base", "taker_buy_quote")
# Trades 1 and 4 are known, 2 and 3 between them are not: one second is dark. Then it is quiet.
TRADES = [
    trade("HOLED", 1, NOON, "0.1", "3", side="buy"),
    trade("HOLED", 4, NOON + 2 * SECOND_US, "0.3", "0.00000001", side="sell"),
    trade("HOLED", 5, NOON + 5 * SECOND_US, "123456789.12345678", "7"),
]


@pytest.fixture(scope="module")
def folder(two_days, tmp_path_factory) -> Path:
    """Two busy symbols, and one with a dark second."""
    folder = shutil.copytree(two_days, tmp_path_factory.mktemp("connect") / "lake")
    lakes.put(folder, "HOLED", TRADES)
    lakes.bring(folder)
    return folder


@pytest.fixture
def con(folder):
    with lake.connect(folder) as con:
        yield con


def test_pandas_gets_utc_times_doubles_and_integers(con):
    frame = con.sql(MINUTE).df()
    kinds = frame.dtypes.map(str)
    assert kinds["window_start"] == "datetime64[us, UTC]"
    assert kinds["day"].startswith("datetime64[") and kinds["trade_count"] == "int64"
    assert {kinds[name] for name in DOUBLES} == {"float64"}
    assert frame["window_start"].is_monotonic_increasing
    assert frame["window_start"].iloc[-1] == pandas.Timestamp("2025-10-20T23:59:59Z")
    assert set(frame["state"]) == {"traded", "quiet", "partial"}


def test_polars_and_arrow_get_utc_times_dates_doubles_and_integers(con):
    schema = con.sql(MINUTE).pl().schema
    assert schema["window_start"] == polars.Datetime("us", "UTC")
    assert (schema["day"], schema["trade_count"]) == (polars.Date, polars.Int64)
    assert {schema[name] for name in DOUBLES} == {polars.Float64}
    table = con.sql(MINUTE).to_arrow_table()
    assert table.schema.field("window_start").type == pyarrow.timestamp("us", "UTC")
    assert table.schema.field("day").type == pyarrow.date32()
    assert table.schema.field("trade_count").type == pyarrow.int64()
    assert {table.schema.field(name).type for name in DOUBLES} == {pyarrow.float64()}
    assert polars.from_arrow(table).equals(con.sql(MINUTE).pl())


def test_what_is_not_known_is_null_in_each_of_them(con):
    frame, table = con.sql(HOLED).df(), con.sql(HOLED).to_arrow_table()
    rows = con.sql(HOLED).pl()
    assert rows["state"].to_list() == ["partial", "dark", "partial", "quiet", "quiet", "partial"]
    unknown = [False, True, False, False, False, False]
    for name in ("open", "close", "volume_base", "vwap", "trade_count"):
        assert frame[name].isna().tolist() == unknown
        assert rows[name].is_null().to_list() == table[name].is_null().to_pylist() == unknown
    assert frame["bid"].isna().all() and rows["bid"].null_count() == len(rows) == 6
    assert frame["trade_count"].sum() == 3 and rows["trade_count"].sum() == 3


def test_values_are_exactly_those_of_lake_db(con, folder):
    shown = lakes.shell(folder, HOLED).splitlines()
    rows = con.sql(HOLED).pl().rows(named=True)
    frame = con.sql(HOLED).df()
    assert len(shown) == len(rows) == len(frame) == 6
    names = con.sql(HOLED).columns
    for line, row, (_, series) in zip(shown, rows, frame.iterrows(), strict=True):
        told = dict(zip(names, line.split(","), strict=True))
        for name in DOUBLES:
            text = told[name] if told[name] not in ("", "NULL") else None
            assert row[name] == (text and float(text)), name
            assert (None if pandas.isna(series[name]) else series[name]) == row[name]
    assert rows[-1]["close"] == 123456789.12345678 and rows[0]["volume_quote"] == 0.3


def test_prices_of_trades_stay_decimals_where_the_library_has_them(con):
    query = "select price, qty from trades where symbol = 'HOLED' order by trade_id"
    wanted = [(Decimal(row["price"]), Decimal(row["qty"])) for row in TRADES]
    assert con.sql(query).fetchall() == wanted
    assert con.sql(query).pl().rows() == wanted
    assert con.sql(query).pl().schema["price"] == polars.Decimal(18, 8)
    table = con.sql(query).to_arrow_table()
    assert table.schema.field("qty").type == pyarrow.decimal128(28, 8)
    assert con.sql(query).df()["price"].tolist() == [float(price) for price, _ in wanted]


def test_every_relation_goes_to_each_of_them_with_all_its_columns(con):
    views = con.sql("select view_name from duckdb_views() where not internal").fetchall()
    assert len(views) >= 27
    for (view,) in views:
        relation = con.sql(f"from {view} limit 100")
        frame, rows, table = relation.df(), relation.pl(), relation.to_arrow_table()
        assert list(frame.columns) == rows.columns == table.column_names == relation.columns
        assert len(frame) == rows.height == table.num_rows


def test_what_one_tries_first_in_pandas_works(con):
    closes = con.sql(MINUTE).df().set_index("window_start")["close"]
    minutes = closes.resample("1min").last()
    query = f"select window_start, close from bars_1m where symbol = 'SOLUSDT' and day = '{DAY}'"
    ours = con.sql(f"{query} order by window_start").df().set_index("window_start")["close"]
    pandas.testing.assert_series_equal(minutes, ours, check_freq=False)
    local = ours.tz_convert("America/New_York")
    assert local.index[-1].hour == 19 and (local.to_numpy() == ours.to_numpy()).all()


def test_polars_buckets_and_joins_it_as_it_is(con):
    bars = con.sql(MINUTE).pl()
    minutes = bars.group_by_dynamic("window_start", every="1m").agg(
        polars.col("volume_base").sum(), polars.col("close").last()
    )
    ours = con.sql(
        f"select window_start, volume_base, close from bars_1m where symbol = 'SOLUSDT' "
        f"and day = '{DAY}' order by window_start"
    ).pl()
    assert minutes["close"].to_list() == ours["close"].to_list()
    assert minutes["volume_base"].to_list() == pytest.approx(ours["volume_base"].to_list())
    assert minutes.join(ours, on="window_start").height == ours.height


def test_a_frame_of_ones_own_joins_the_lakes_views(con):
    mine = pandas.DataFrame({"window_start": pandas.to_datetime(["2025-10-20T22:00:00Z"])})
    query = (
        "select state from bars_1m inner join mine using (window_start) where symbol = 'SOLUSDT'"
    )
    assert con.sql(query).fetchall() == [("traded",)]
    assert len(mine) == 1


def test_a_million_rows_stream_in_batches(con):
    [(rows, volume)] = con.sql("select count(*), sum(volume_base) from bars_1s").fetchall()
    reader = con.sql(f"from bars_1s cross join range({TIMES})").to_arrow_reader(50_000)
    sizes, summed = [], 0.0
    for batch in reader:
        sizes.append(batch.num_rows)
        summed += pyarrow.compute.sum(batch["volume_base"]).as_py() or 0.0
    assert sum(sizes) == rows * TIMES > 1_000_000
    assert summed == pytest.approx(volume * TIMES)
    assert max(sizes) <= 50_000 and len(sizes) >= 20


def test_while_a_stream_is_read_a_cursor_answers(con):
    reader = con.sql("from bars_1s").to_arrow_reader(1000)
    first = next(iter(reader)).num_rows
    with pytest.raises(duckdb.Error, match="open result"):
        con.sql("from tape").df()
    assert len(con.cursor().sql("from tape").df()) == 5
    total = first + sum(batch.num_rows for batch in reader)
    assert con.sql("select count(*) from bars_1s").fetchall() == [(total,)]


def test_threads_ask_in_cursors_of_one_connection(folder):
    with lake.connect(folder) as con:
        query = (
            "select any_value(current_setting('TimeZone')), max(window_start)::varchar, count(*)"
        )

        def ask(symbol: str) -> list[tuple]:
            with con.cursor() as own:
                return own.execute(f"{query} from bars_1s where symbol = ?", [symbol]).fetchall()

        symbols = ["SOLUSDT", "BTCUSDT", "HOLED"] * 4
        with ThreadPoolExecutor(4) as pool:
            found = dict(zip(symbols, pool.map(ask, symbols), strict=True))
    assert found["HOLED"] == [("UTC", "2025-10-20 12:00:05+00", 6)]
    assert found["SOLUSDT"] == found["BTCUSDT"]


def test_a_cursor_has_the_same_zone_wherever_the_machine_is(folder):
    script = (
        "import sys, lake; con = lake.connect(sys.argv[1]); own = con.cursor();"
        "print([one.execute(\"select current_setting('TimeZone'), max(window_start)::varchar,"
        " current_setting('asof_loop_join_threshold')"
        " from bars_1s where symbol = 'HOLED'\").fetchall() for one in (con, own)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "TZ": "America/New_York"},
    )
    row = [("UTC", "2025-10-20 12:00:05+00", 0)]
    assert done.stdout.strip() == str([row, row]), done.stderr


def test_connections_and_lazy_relations_see_what_a_build_brings(folder, tmp_path):
    own = shutil.copytree(folder, tmp_path / "lake")
    newest = "select max(last_trade_id) from bars_1s where symbol = 'SOLUSDT'"
    over, wrong, asked = threading.Event(), [], []

    def ask() -> None:
        with lake.connect(own) as con:
            relation = con.sql(newest)
            while not over.wait(0.02):
                found = relation.df().iloc[0, 0], con.sql(newest).pl().item()
                asked.append(found)
                if not 94 <= found[0] <= found[1] <= 96:
                    wrong.append(found)

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(ask) for _ in range(2)]
        for number in range(95, 97):
            row = trade("SOLUSDT", number, MIDNIGHT + (number + 60) * SECOND_US)
            lakes.put(own, "SOLUSDT", [row])
            lakes.bring(own)
        over.set()
        for reader in readers:
            reader.result()
    assert not wrong and len(asked) >= 3
    assert lakes.ask(own, newest) == [(96,)]


def test_with_closes_the_connection(folder):
    with lake.connect(folder) as con:
        assert con.sql("select 1").fetchall() == [(1,)]
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        con.sql("select 1")


@pytest.mark.parametrize("named", ["", "config.yml", "lake.db"])
def test_a_lake_is_named_by_its_folder_its_config_or_its_lake_db(folder, named):
    with lake.connect(str(folder / named)) as con:
        assert con.sql("select count(*) from latest_price").fetchall() == [(3,)]


def test_the_current_folder_and_the_home_folder_are_understood(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with lake.connect() as con:
        assert con.sql("select count(*) from tape").fetchall() > [(0,)]
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    with lake.connect(f"~/{folder.name}") as con:
        assert con.sql("select count(*) from tape").fetchall() > [(0,)]


@pytest.mark.parametrize("named", ["nowhere", ".", "nowhere/config.yml", "lake.db"])
def test_a_folder_without_a_lake_is_one_sentence(tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as raised:
        lake.connect(named)
    told = str(raised.value)
    assert re.fullmatch(r"there is no lake in .*: name the folder of one, .* or make one .*", told)
    assert str((tmp_path / named).absolute()) in told and "\n" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_config_is_one_sentence_that_names_the_line(tmp_path):
    (tmp_path / "config.yml").write_text("general:\n  log_leel: INFO\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"config.yml:2: general.log_leel: unknown key") as raised:
        lake.connect(tmp_path)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__


def test_a_lake_that_nothing_was_built_in_says_so_and_is_empty(lake_folder):
    with pytest.warns(UserWarning, match="nothing was built in .*: run `lake build`") as told:
        con = lake.connect(lake_folder)
    assert [Path(one.filename).name for one in told] == [Path(__file__).name]
    with con:
        assert con.sql("from bars_1m").df().empty and con.sql("from tape").pl().is_empty()


def test_a_lake_that_was_built_without_data_is_empty_without_a_word(lake_folder):
    lakes.bring(lake_folder)
    with lake.connect(lake_folder) as con:
        frame = con.sql("from bars_1s").df()
    assert frame.empty and str(frame["window_start"].dtype) == "datetime64[us, UTC]"


def test_the_files_are_read_without_us(folder):
    pattern = folder / "data" / "parquet" / "binance" / "**" / "*.parquet"
    bars = polars.scan_parquet(pattern, hive_partitioning=False)
    rows = bars.filter(polars.col("symbol") == "HOLED").sort("window_start").collect()
    with lake.connect(folder) as con:
        ours = con.sql(HOLED).pl()
    assert rows.select(ours.columns).equals(ours)
    assert rows["day"].unique().to_list() == [date.fromisoformat(DAY)]
    one = folder / "data" / lakes.place("bars_1s", "SOLUSDT", NEXT_DAY)
    frame = pandas.read_parquet(one)
    assert str(frame["window_start"].dtype).endswith("UTC]") and len(frame) > 100
    assert numpy.isfinite(frame["close"]).all()


def test_every_example_of_the_page_on_python_runs_and_its_names_hold_data(
    folder, tmp_path, monkeypatch
):
    page = (lakes.ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 5
    shutil.copytree(folder, tmp_path / "my-lake")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec("\n".join(examples), names)
    with names["con"] as con:
        [(seconds, trades)] = con.sql(f"select count(*), sum(trade_count) {MINUTE}").fetchall()
    assert len(names["frame"]) == len(names["bars"]) == names["table"].num_rows == seconds
    assert len(names["trades"]) == trades and names["batch"].num_rows > 60
    assert str(names["local"].index.tz) == "America/New_York"
    assert names["bars"].schema["local"] == polars.Datetime("us", "America/New_York")
