"""config.yml: what it gives, and what it says about values that it does not accept."""

import os

import click
import duckdb
import msgspec
import pytest

from runner import config
from runner.settings import Config, Transformer, stream_url


@pytest.fixture
def lake_of(tmp_path, monkeypatch):
    """load() on a config.yml of a given text, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def load(text, **options):
        (tmp_path / "config.yml").write_text(text, encoding="utf-8")
        return config.load(**options)

    return load


@pytest.fixture
def problem_of(lake_of):
    """What load() says about a text that it refuses."""

    def problem(text):
        with pytest.raises(click.ClickException) as caught:
            lake_of(text)
        return caught.value.message

    return problem


def test_the_shipped_file_holds_every_key_of_every_section():
    lake = config.load(config.SHIPPED)
    assert {field.name for field in msgspec.structs.fields(Config)} == set(
        msgspec.to_builtins(lake.config)
    )
    assert lake.origins == {}
    assert lake.config.exchanges[0].symbols[:3] == ("SOLUSDT", "SUIUSDT", "ADAUSDT")
    assert len(lake.config.exchanges[0].symbols) == 19


def test_an_empty_file_gives_the_shipped_settings(lake_of):
    assert lake_of("").config == lake_of("# only a comment\n").config
    assert lake_of("collector:\n").config == config.load(config.SHIPPED).config


def test_a_file_holds_only_what_differs_and_lists_replace(lake_of):
    lake = lake_of("collector: {write_interval_sec: 5}\nmacro_minute: {tickers: []}\n")
    assert lake.config.collector.write_interval_sec == 5
    assert lake.config.collector.reconnect_backoff == 10
    assert lake.config.macro_minute.tickers == ()
    assert lake.origins["collector.write_interval_sec"] == "config.yml"
    assert "collector.reconnect_backoff" not in lake.origins


def test_an_exchange_may_leave_out_what_it_does_not_change(lake_of):
    exchange = lake_of("exchanges: [{name: binance, symbols: [SOLUSDT]}]\n").config.exchanges[0]
    assert exchange.symbols == ("SOLUSDT",)
    assert exchange.rest_url == "https://api.binance.com"


def test_paths_come_from_the_folder_of_the_file_and_not_from_the_working_folder(
    tmp_path, monkeypatch
):
    (tmp_path / "my lake").mkdir()
    (tmp_path / "my lake" / "config.yml").write_text("general: {base_path: ../store}\n")
    monkeypatch.chdir(tmp_path)
    lake = config.load(tmp_path / "my lake")
    assert lake == config.load(tmp_path / "my lake" / "config.yml")
    assert lake.base == tmp_path / "store"
    assert lake.db == tmp_path / "my lake" / "lake.db"
    assert not lake.base.exists()


def test_a_home_folder_is_filled_in(lake_of, monkeypatch, tmp_path):
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path / "me"))
    assert lake_of("general: {base_path: ~/lake}\n").base == tmp_path / "me" / "lake"


def test_a_test_run_has_its_own_tree_and_pace(lake_of, tmp_path):
    by_flag, by_file = lake_of("", testing=True), lake_of("testing: {enabled: true}\n")
    for lake in (by_flag, by_file):
        assert lake.testing
        assert lake.base == tmp_path / "data-test"
        assert lake.db == tmp_path / "data-test" / "lake.db"
        assert lake.config.transformer.schedule_minutes == 2
        assert lake.config.macro_minute.startup_backfill_days == 1
        assert lake.origins["transformer.schedule_minutes"] == "testing"
    assert config.in_force(by_flag)[0].startswith("MODE: TEST, lake ")


def test_flags_go_before_testing_before_the_file_before_the_shipped_defaults(lake_of):
    lake = lake_of(
        "transformer: {schedule_minutes: 7, parquet_compression: zstd}\n"
        "macro_minute: {schedule_minutes: 9}\n",
        testing=True,
    )
    flags = {
        "macro_minute.schedule_minutes": ("--macro-interval-min", 4),
        "exchanges[0].symbols": ("--symbols", ("SOLUSDT", "BTCUSDT")),
        "repair.max_ids_per_hole": ("--max-ids", None),
    }
    lines = config.in_force(
        config.with_flags(lake, flags), "transformer", "macro_minute", "exchanges[0]", "repair"
    )
    assert "schedule_minutes 2 (testing)" in lines[1]
    assert "parquet_compression zstd (config.yml)" in lines[1]
    assert "schedule_minutes 4 (--macro-interval-min)" in lines[2]
    assert "url" not in lines[2]  # an empty value says nothing
    assert "symbols SOLUSDT,BTCUSDT (--symbols)" in lines[3]
    assert lines[4] == "repair: max_ids_per_hole 500000"


def test_a_flag_is_checked_like_the_file(lake_of):
    with pytest.raises(click.UsageError) as caught:
        config.with_flags(lake_of(""), {"exchanges[0].symbols": ("--symbols", ["sol"])})
    assert caught.value.message == (
        '--symbols: exchanges[0].symbols[0]: expected capitals (SOL), got "sol"'
    )


def test_all_problems_are_named_at_once_in_the_order_of_the_file(problem_of):
    assert problem_of(
        "general:\n  timezone: Europe/Berlin\ncollector:\n  write_interval_sec: 1.5\n"
        "  write_intervall: 5\n"
    ).splitlines() == [
        "3 problems in the configuration:",
        "config.yml:2: general.timezone: expected UTC (all is kept in UTC; convert in your query), "
        'got "Europe/Berlin"',
        "config.yml:4: collector.write_interval_sec: expected whole seconds from 1 to 3600 "
        "(no raw file spans an hour), got 1.5",
        "config.yml:5: collector.write_intervall: unknown key: "
        "did you mean collector.write_interval_sec?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("general: {log_level: info}", "did you mean INFO?"),
        ("general: {base_path: ''}", 'expected a folder, got ""'),
        ("general: {base_path: ~}", 'quote it, "~"'),
        ("general: {base_path: $HOME/x}", "without environment variables"),
        ("general: {base_path: '%USERPROFILE%/x'}", "without environment variables"),
        ("general: {base_path: ~nobody-of-this-name/x}", "a home folder that exists"),
        ('general: {base_path: "a\\0b"}', "without blanks at its ends"),
        ("general: {base_path: data-test}", "testing.base_path: expected another folder"),
        ("collector: {output_format: csv}", "expected jsonl (no other form keeps lines exact)"),
        ("collector: {write_interval_sec: 0}", "from 1 to 3600"),
        ("collector: {write_interval_sec: yes}", "got true"),
        ("collector: {write_interval_sec: '60'}", "take the quotes off"),
        ("collector: {write_interval_sec: }", "got nothing (null)"),
        ("collector: {reconnect_backoff: -1}", "more than 0"),
        ("collector: {reconnect_backoff: .nan}", "more than 0"),
        ("collector: {max_reconnect_backoff: .inf}", "at most 86400"),
        ("collector: {reconnect_backoff: 400}", "at most collector.max_reconnect_backoff (300)"),
        ("collector: 5", "expected keys of its own below it, got 5"),
        ("transformer: {resample_interval_sec: 60}", "coarser bars are views"),
        ("transformer: {resample_interval_sec: true}", "expected 1"),
        ("transformer: {parquet_compression: ztsd}", "did you mean zstd?"),
        ("gapfill: {dark: previous}", "did you mean previous_close?"),
        ("rules: {max_wide_spread_share: 2}", "a share from 0 to 1"),
        ("schedule_minutes: 5", "transformer.schedule_minutes or macro_minute.schedule_minutes"),
        ("on: 5", "on: unknown key, not of general, "),
        ("exchanges: []", "got an empty list"),
        ("exchanges: binance", 'expected a list of one or more exchanges, got "binance"'),
        ("exchanges: [binance]", 'exchanges[0]: expected keys of its own below it, got "binance"'),
        ("exchanges: [{name: kraken}]", "no other source is built in"),
        ("exchanges: [{symbols: [SOLUSDT]}]", "exchanges[0].name: missing"),
        ("exchanges: [{name: binance}, {name: binance}]", "each only once (twice: binance)"),
    ],
)
def test_a_value_that_a_key_does_not_accept_is_refused_with_the_reason(problem_of, text, said):
    assert said in problem_of(text)


@pytest.mark.parametrize(
    ("symbols", "said"),
    [
        ("[1000]", "symbols[0]: expected a symbol such as BTCUSDT, got 1000 (YAML reads 1000"),
        ("[1000]", 'quote it, "1000"'),
        ("[NO]", 'quote it, "NO"'),
        ("[2025-10-20]", 'quote it, "2025-10-20"'),
        ("[SOLUSDT, solusdt]", "symbols[1]: expected capitals (SOLUSDT)"),
        ("[SOLUSDT, SOLUSDT]", "each only once (twice: SOLUSDT)"),
        ("['']", 'got ""'),
        ("[../X]", "letters, digits and - _ . only"),
        ("[_SESSIONS]", "beginning with a letter or digit"),
        ("[]", "got an empty list"),
        ("SOLUSDT", 'expected a list of one or more symbols, got "SOLUSDT"'),
        ("[[SOLUSDT]]", "got a list"),
    ],
)
def test_a_symbol_is_text_in_capitals_and_stands_once(problem_of, symbols, said):
    assert said in problem_of(f"exchanges: [{{name: binance, symbols: {symbols}}}]\n")


@pytest.mark.parametrize("symbol", ['"1000"', "1000SATSUSDT", '"NO"', "币安人生USDT", "BTC-USD"])
def test_odd_but_real_symbols_are_taken(lake_of, symbol):
    lake = lake_of(f"exchanges: [{{name: binance, symbols: [{symbol}]}}]\n")
    assert lake.config.exchanges[0].symbols == (symbol.strip('"'),)


@pytest.mark.parametrize(
    ("key", "url", "said"),
    [
        ("rest_url", "api.binance.com", "begins with http:// or https://"),
        ("rest_url", "https://", "a host name"),
        ("rest_url", "https://x:99999", "Port out of range"),
        ("rest_url", "https://[x", "not an address"),
        ("wss_url", "https://x", "begins with ws:// or wss://"),
        ("wss_url", "wss://x/stream?streams=a", "without ? and #"),
        ("wss_url", "wss://x/other", "ends in /ws or /stream"),
    ],
)
def test_an_address_that_cannot_be_called_is_refused(problem_of, key, url, said):
    assert said in problem_of(f'exchanges: [{{name: binance, {key}: "{url}"}}]\n')


@pytest.mark.parametrize("end", ["", "/", "/ws", "/ws/", "/stream", "/stream/"])
def test_the_combined_stream_is_used_however_the_address_ends(lake_of, end):
    lake = lake_of(f'exchanges: [{{name: binance, wss_url: "ws://stream{end}"}}]\n')
    assert lake.config.exchanges[0].stream_url == "ws://stream/stream"
    assert stream_url(f"ws://127.0.0.1:9000{end}") == "ws://127.0.0.1:9000/stream"


@pytest.mark.skipif(os.name == "nt", reason="D:/ is a folder there")
@pytest.mark.parametrize("folder", ["D:/lake", "D:\\lake", "data\\lake", "d:"])
def test_a_windows_path_on_another_system_creates_nothing(problem_of, tmp_path, folder):
    assert "this one is written for Windows" in problem_of(f"general: {{base_path: '{folder}'}}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yml"]


def test_a_base_path_that_is_a_file_is_refused(problem_of, tmp_path):
    (tmp_path / "store").write_text("")
    assert problem_of("general: {base_path: store}\n") == "store is a file, not a folder"


def test_duckdb_takes_every_compression_that_is_offered(tmp_path):
    offered = {field.name: field.type for field in msgspec.structs.fields(Transformer)}
    choices = msgspec.inspect.type_info(offered["parquet_compression"]).type.values
    for choice in choices:
        file = tmp_path / f"{choice}.parquet"
        with duckdb.connect() as con:
            con.execute(f"copy (select 1) to '{file}' (format parquet, compression {choice})")
        assert file.stat().st_size > 0


def test_without_a_file_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (None, tmp_path, tmp_path / "nowhere" / "config.yml"):
        with pytest.raises(click.ClickException, match="lake init"):
            config.load(path)
