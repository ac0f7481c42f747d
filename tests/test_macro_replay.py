"""`lake macro` and `lake derivatives` against the replay: one address for all that they ask."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import lakes
import pytest
from loopback import run
from raw_lines import micros

from replay.futures import FuturesRules
from replay.market import Market
from replay.server import Exchange
from replay.yahoo import YahooRules

# A Monday: SPY has been open for 85 minutes, currencies since Sunday evening.
NOW = micros("2025-10-20T14:55:30Z") // 1_000_000
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
TICKERS = ("SPY", "ES=F", "EURUSD=X")


def beside(exchange: Exchange, act) -> None:
    """Run `act(command)` while the exchange serves; `command(folder, …)` is a watched `lake`."""

    async def main() -> None:
        def command(folder: Path, *arguments: str) -> str:
            code, output = run(folder, *arguments)
            assert code == 0, output
            return output

        async with exchange:
            await asyncio.to_thread(act, command)

    asyncio.run(main())


def replay(at_s: int = NOW, **rules) -> Exchange:
    """A replay whose clock stands at a moment."""
    begin = datetime.fromtimestamp(at_s, UTC)
    return Exchange(Market(("BTCUSDT", "SOLUSDT"), start=begin, duration_s=5), **rules)


def lake_of(folder: Path) -> Path:
    tickers = ", ".join(f"'{ticker}'" for ticker in TICKERS)
    symbols = "[BTCUSDT, SOLUSDT, NOPEUSDT]"
    return lakes.make(
        folder,
        f"macro_minute: {{tickers: [{tickers}]}}\n"
        f"exchanges: [{{name: binance, symbols: {symbols}}}]\n",
    )


def minutes(folder: Path, ticker: str) -> list[tuple]:
    query = f"""
        select epoch_us(window_start) // 1000000, open, high, low, close, volume
        from macro_minute where ticker = '{ticker}' order by all
    """
    return lakes.ask(folder, query)


def test_minutes_of_the_replay_are_fetched_as_they_are_and_revised_when_final(tmp_path):
    folder = lake_of(tmp_path / "lake")
    rules = YahooRules(revised_s=20 * MINUTE_S, with_crumb=True)
    exchange, later = replay(yahoo=rules), replay(NOW + HOUR_S, yahoo=rules)

    def first(command) -> None:
        output = command(folder, "macro", "--url", exchange.rest_url, "--days", "10")
        assert "(3 tickers, 6 requests, " in output and "revised" not in output
        assert_same(exchange, NOW)

    def second(command) -> None:
        output = command(folder, "macro", "--url", later.rest_url)
        assert " new minutes, " in output and " revised (3 tickers, 3 requests, " in output
        assert_same(later, NOW + HOUR_S)
        again = command(folder, "macro", "--url", later.rest_url)
        assert again.startswith("nothing new (3 tickers, 3 requests, ")

    def assert_same(exchange: Exchange, now_s: int) -> None:
        """The lake has what the replay has: minutes that are over, without those without prices."""
        end_s = now_s // MINUTE_S * MINUTE_S
        for ticker in TICKERS:
            bars = exchange.yahoo.bars(ticker, NOW // MINUTE_S * MINUTE_S - 10 * DAY_S, end_s)
            assert minutes(folder, ticker) == [tuple(bar) for bar in bars if bar.close is not None]

    beside(exchange, first)
    beside(later, second)


def test_a_replay_that_does_not_tell_its_time_once_keeps_its_clock(tmp_path):
    folder = lake_of(tmp_path / "lake")
    # the first question is answered, and every second one from then on fails
    exchange = replay(faults=["rest=kind:500,calls:2,path:/api/v3/time"])

    def act(command) -> None:
        url = ("--url", exchange.rest_url, "--tickers", "SPY,ES=F", "--days", "1")
        command(folder, "macro", *url)

    beside(exchange, act)
    failed = [one for one in exchange.requests if one.path == "/api/v3/time" and one.status == 500]
    days = {path.parent.name for path in (folder / "data/raw/yahoo").rglob("answers*.jsonl")}
    assert failed and days == {"2025-10-20"}


def test_what_a_replay_makes_up_does_not_come_among_live_data(tmp_path):
    folder = lake_of(tmp_path / "lake")
    lakes.put(folder, "_sessions", lakes.sessions(lakes.NOON, lakes.NOON + 1, ["SOLUSDT"]))
    exchange = replay()

    async def main() -> None:
        async with exchange:
            for name in ("macro", "derivatives"):
                code, output = await asyncio.to_thread(
                    run, folder, name, "--url", exchange.rest_url
                )
                assert code == 1 and "holds live data" in output and "is a replay" in output

    asyncio.run(main())
    assert not list((folder / "data/raw").rglob("answers*.jsonl"))


@pytest.mark.parametrize("as_text", [False, True])
def test_derivatives_of_the_replay_are_fetched_as_they_are(tmp_path, as_text):
    folder = lake_of(tmp_path / "lake")
    rules = FuturesRules(hours={"SOLUSDT": 1}, jitter_ms=9, timestamp_as_text=as_text)
    exchange = replay(futures=rules)

    def act(command) -> None:
        url = ("--url", exchange.rest_url)
        command(folder, "derivatives", *url)
        begin_ms, now_ms = (NOW // HOUR_S * HOUR_S + HOUR_S - 29 * DAY_S) * 1000, NOW * 1000
        for symbol in ("BTCUSDT", "SOLUSDT"):
            query = f"""
                select epoch_ms(funding_time), funding_rate from funding
                where symbol = '{symbol}' order by all
            """
            rows = exchange.futures.funding(symbol, begin_ms, now_ms)
            wanted = [(row["fundingTime"], float(row["fundingRate"])) for row in rows]
            assert lakes.ask(folder, query) == wanted and len(wanted) >= 86
            query = f"""
                select epoch_ms(measured_at), open_interest, oi_usd from open_interest
                where symbol = '{symbol}' order by all
            """
            begin = (NOW // 300 * 300 + 300 - 29 * DAY_S) * 1000
            rows = exchange.futures.open_interest(symbol, "5m", begin, now_ms)
            names = ("timestamp", "sumOpenInterest", "sumOpenInterestValue")
            found = [tuple(float(row[name]) for name in names) for row in rows]
            assert lakes.ask(folder, query) == found and len(found) == 8352
        assert command(folder, "derivatives", *url).startswith(
            "nothing new (3 symbols, 1 requests)"
        )

    beside(exchange, act)
