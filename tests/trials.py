"""Trials of the collector by fault: a replayed market, what goes wrong in it, and what the lake
must hold afterwards.

The truth is the exchange's own: the market that it played (`Market`) and the trades that it knows
to have arrived (`Exchange.delivered`) or not to know of (`Exchange.doubtful`). Times are epoch
microseconds on the receive axis, if not said otherwise.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import wire

from ingest.collect.collector import Summary
from replay.events import Event, Trade, text
from replay.faults import GARBLES, Fault, parse
from replay.klines import with_klines
from replay.market import Market
from replay.rules import Rules
from replay.server import Exchange
from replay.stream_faults import Garbled, with_faults

BEGIN = datetime(2025, 10, 20, 0, 57, tzinfo=UTC)
# Symbols of one lake, a few a trial: their ids are then a tape of their own.
LIVELY = ("SOLUSDT", "SUIUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "TRXUSDT", "AVAXUSDT")
QUIET = ("XLMUSDT", "AAVEUSDT", "APTUSDT", "UNIUSDT", "BCHUSDT", "NEARUSDT", "LTCUSDT", "DOTUSDT")
BUSY = 0.4
PER_LAKE = len(LIVELY)
STEADY = 200.0  # a speed at which the watchdog has the time to notice a stall that stays
SLOW = 30.0  # … and one that ends
LONG_S, SHORT_S = 600.0, 180.0
KINDS = ("trade", "bookTicker", "kline_1s")


@dataclass(frozen=True)
class Trial:
    """What is played and what goes wrong; `speed` as in Exchange."""

    name: str
    faults: tuple[str, ...] = ()
    speed: float | None = None
    duration_s: float = SHORT_S
    rules: Rules = field(default_factory=Rules)
    skew_us: int = 0

    @property
    def hides_quotes(self) -> bool:
        """Whether quotes may be late or lost with nobody knowing: they carry no time and no id
        that tells."""
        kinds = ("malformed", "delay", "reorder")
        hidden = any(fault.startswith(kinds) for fault in self.faults)
        # Sent again to a connection that never had it, an old quote looks new.
        alone = len(self.faults) == 1 and self.rules.lifetime_s > self.duration_s
        hidden |= not alone and any(fault.startswith("duplicate") for fault in self.faults)
        # The faster the replay, the longer a stall must be for the watchdog to see it; one of
        # quotes alone must last until then, on a connection that nothing else ends.
        stalls = [fault for fault in self.faults if fault.startswith("stall")]
        brief = any("for:" in stall or ("Ticker" in stall and not alone) for stall in stalls)
        return hidden or (brief and (self.speed or 1000) > SLOW)

    @property
    def skips_quotes(self) -> bool:
        """Whether quotes between two of one connection may be missing."""
        return any(fault.startswith(("malformed", "stall", "reorder")) for fault in self.faults)


@dataclass
class Outcome:
    """One trial that was collected. `arrived`, `doubtful`: trade ids by symbol."""

    trial: Trial
    seed: int
    source: Market
    symbols: list[str]
    summary: Summary
    arrived: dict[str, set[int]]
    doubtful: dict[str, set[int]]

    def __str__(self) -> str:
        return f"{self.trial.name} (seed {self.seed}) {' '.join(self.trial.faults)}"

    def faults(self) -> list[Fault]:
        return [parse(fault, self.seed) for fault in self.trial.faults]

    def events(self) -> list[Event]:
        """What the exchange sent or would have sent, faults of the stream included."""
        sent = with_klines(self.source, self.source.skew_us)
        return list(with_faults(self.faults(), sent, self.source.start_us))

    def garbled(self) -> set[str]:
        """The messages that nobody can read, as they went over the wire."""
        return {
            event.text(text(event.event, combined=True, milliseconds=False))
            for event in self.events()
            if type(event) is Garbled
        }

    def market(self, kind: type) -> dict[str, dict[int, Event]]:
        """The market's trades or quotes, by symbol and id."""
        found: dict[str, dict[int, Event]] = defaultdict(dict)
        for event in self.source:
            if type(event) is kind:
                found[event.symbol][event.trade_id if kind is Trade else event.update_id] = event
        return found


def alone() -> list[Trial]:
    """Each fault by itself, in every form that makes a difference."""
    cut = Rules(lifetime_s=70.0, shutdown_lead_s=0.0)
    told = Rules(lifetime_s=100.0, shutdown_lead_s=25.0)
    stream = [
        Trial("nothing at all"),
        Trial("gap", ("gap=every:40s,count:7",)),
        Trial("duplicate", ("duplicate=every:9s,count:12",)),
        Trial("reorder by place", ("reorder=every:8s,count:3,by:4",)),
        Trial("reorder late", ("reorder=every:25s,count:2,late:7s",)),
        Trial("reordered quotes", ("reorder=every:8s,count:2,by:2,stream:bookTicker",)),
        Trial("oversized", ("oversized=every:60s",)),
        Trial("too big", ("oversized=at:90s,size:21000000",)),
        Trial("delay", ("delay=every:50s,for:6s",)),
        Trial("malformed quotes", ("malformed=every:10s,count:2,stream:bookTicker",)),
        Trial("malformed klines", ("malformed=every:10s,count:2,stream:kline_1s",)),
    ]
    stream += [
        Trial(f"malformed: {kind}", (f"malformed=every:15s,count:2,kind:{kind}",))
        for kind in GARBLES
    ]
    connections = [
        Trial("drop", ("drop=every:50s",)),
        Trial("close", ("close=every:50s,code:1001",)),
        Trial("clean close", ("close=random:60s,code:1000,reason:maintenance",)),
        Trial("storm of reconnects", ("drop=every:4s",), STEADY),
        Trial("cut at the end of its life", (), STEADY, rules=cut),
        Trial("serverShutdown", (), STEADY, rules=told),
        Trial("stall", ("stall=at:40s",), STEADY),
        Trial("stall that ends", ("stall=at:40s,for:35s",), SLOW),
        Trial("stall at full speed", ("stall=at:40s",), None, LONG_S),
        Trial("dead line", ("stall=at:40s,pings:no",), STEADY),
    ]
    connections += [
        Trial(f"stall of {kind} alone", (f"stall=at:40s,stream:{kind}",), STEADY) for kind in KINDS
    ]
    return stream + connections


def mixed(random: Random) -> Trial:
    """Several faults at once, drawn anew."""
    symbol = random.choice(("", ",symbol:FIRST"))
    pool = [
        lambda: f"drop=random:{random.randint(15, 90)}s",
        lambda: f"close=random:{random.randint(15, 90)}s,code:{random.choice((1000, 1001, 1012))}",
        lambda: f"stall=random:{random.randint(40, 120)}s,for:{random.randint(5, 60)}s{symbol}",
        lambda: f"stall=at:{random.randint(20, 150)}s,pings:{random.choice(('yes', 'no'))}",
        lambda: f"stall=at:{random.randint(20, 150)}s,stream:{random.choice(KINDS)}",
        lambda: f"gap=random:{random.randint(5, 60)}s,count:{random.randint(1, 40)}",
        lambda: f"duplicate=random:{random.randint(3, 40)}s,count:{random.randint(1, 60)}",
        lambda: f"reorder=random:{random.randint(3, 40)}s,count:{random.randint(1, 6)},by:3",
        lambda: f"reorder=random:{random.randint(9, 60)}s,count:2,late:{random.randint(1, 20)}s",
        lambda: f"malformed=random:{random.randint(2, 40)}s,count:{random.randint(1, 5)}",
        lambda: f"malformed=random:{random.randint(2, 40)}s,stream:{random.choice(KINDS)}",
        lambda: f"oversized=random:{random.randint(20, 90)}s,size:{random.choice((70_000, 2**21))}",
        lambda: f"delay=random:{random.randint(20, 90)}s,for:{random.randint(1, 9)}s",
    ]
    faults = tuple(make() for make in random.sample(pool, random.randint(2, 6)))
    lifetime_s = random.choice((86_400.0, 86_400.0, random.uniform(30, 120)))
    rules = Rules(lifetime_s=lifetime_s, shutdown_lead_s=random.choice((0.0, 10.0)))
    speed = random.choice((None, None, STEADY, 150.0))
    duration_s = LONG_S if speed is None else SHORT_S
    skew_us = random.choice((0, 0, 1_234_567, -700_001, 61_000_000))
    return Trial("mixed", faults, speed, duration_s, rules, skew_us)


def collect(folder: Path, trial: Trial, seed: int, number: int) -> Outcome:
    """Collect a trial into a lake as its run `number`, which takes symbols of its own."""
    symbols = [LIVELY[number], QUIET[number]]
    faults = tuple(fault.replace("FIRST", symbols[0]) for fault in trial.faults)
    trial = replace(trial, faults=faults)
    start = BEGIN + timedelta(hours=3 * number)
    source = Market(symbols, seed, start, trial.duration_s, trial.skew_us, BUSY)

    async def main() -> Outcome:
        here = wire.lake(folder, backoff_s=10)
        async with Exchange(source, trial.speed, trial.faults, 0, seed, trial.rules) as exchange:
            summary = await wire.collect(here, exchange, within_s=90, symbols=symbols)
        arrived = {name: set(exchange.delivered.get(name, ())) for name in symbols}
        doubtful = {name: set(ids) for name, ids in exchange.doubtful.items()}
        return Outcome(trial, seed, source, symbols, summary, arrived, doubtful)

    return asyncio.run(main())
