"""A collector process fed by a replay, killed again and again on one lake, and what must be true of
the lake's raw lines, trades and certificates after each kill and at the end."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import lakes
from campaign import Campaign

from ingest.collect.recover import recover
from replay.market import Market
from replay.server import Exchange
from runner.config import load

SYMBOLS = ("SOLUSDT", "XRPUSDT")
CONFIG = "collector: {reconnect_backoff: 0.05, max_reconnect_backoff: 0.4}\n"
Raw = dict[str, bytes]


class KilledCollector:
    """Kills of the collector of one lake, at moments chosen by `seed`."""

    def __init__(self, folder: Path, seed: int, told: Campaign) -> None:
        self.chance, self.told = random.Random(seed), told
        self.folder = lakes.make(folder, CONFIG)
        speed = self.chance.choice([10.0, 20.0, 40.0])
        market = Market(SYMBOLS, seed, duration_s=36_000.0, busy=60 / speed)
        self.exchange = Exchange(market, speed=speed, seed=seed)

    async def run(self, kills: int) -> None:
        """So many runs that are killed, and one that ends in order; then a build."""
        async with self.exchange:
            for _ in range(kills):
                await self._one_kill()
            process = await self._start()
            await self._grown(self._raw())
            process.send_signal(signal.SIGTERM)
            output, _ = await asyncio.wait_for(process.communicate(), 10)
            assert process.returncode == 0, output.decode()
        lakes.bring(self.folder)
        self._check_trades()

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lake", "collect", "--symbols", ",".join(SYMBOLS)),
            *("--ws-url", self.exchange.ws_url, "--rest-url", self.exchange.rest_url),
            *("--config", str(self.folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=lakes.ROOT,
        )

    async def _one_kill(self) -> None:
        """Start, kill at some moment, and let some command heal; nothing may be lost by it."""
        process = await self._start()
        if self.chance.random() < 0.8:
            await self._grown(self._raw())
            await asyncio.sleep(self.chance.random())
        else:  # while it starts and heals what the kill before has left
            await asyncio.sleep(0.3 + self.chance.random())
        process.kill()
        await process.wait()
        self.told.saw("collectors killed")
        if self.chance.random() < 0.3:
            self._tear()
        before = self._raw()
        if self.chance.random() < 0.5:  # else the next collector does it
            recover(load(self.folder))
            self._check_raw(before)

    async def _grown(self, before: Raw) -> None:
        """Until trades or quotes were written that were not there before."""
        size = sum(map(len, before.values()))
        async with asyncio.timeout(60):
            while sum(len(text) for text in self._raw().values()) < size + 20_000:
                await asyncio.sleep(0.02)

    def _raw(self) -> Raw:
        """All raw parts and half lines at this moment, by path."""
        found = (self.folder / "data/raw").glob("**/part_*")
        texts = {}
        for path in sorted(found):
            try:
                texts[path.relative_to(self.folder).as_posix()] = path.read_bytes()
            except FileNotFoundError:  # sealed just now
                continue
        return texts

    def _tear(self) -> None:
        """Half a line at the end of an open part, as a kill within write() leaves it."""
        opened = sorted((self.folder / "data/raw/binance").glob("*/*/*.open"))
        if opened:
            with self.chance.choice(opened).open("ab") as file:
                file.write(b'{"symbol":"SOLUSDT","ts_ev')
            self.told.saw("half lines made by hand")

    def _check_raw(self, before: Raw) -> None:
        """Each whole line is still there, once; each half line lies beside."""
        now = self._raw()
        assert not any(name.endswith(".open") for name in now)
        kept, whole = _lines(before), _lines(now)
        for folder, lines in kept.items():
            assert not lines - whole[folder], folder
            if not folder.endswith("_sessions"):
                assert lines == whole[folder], folder
        for name, text in before.items():
            tail = text[text.rfind(b"\n") + 1 :]
            if tail and name.endswith(".open"):
                self.told.saw("half lines put aside")
                torn = name.removesuffix(".jsonl.open") + ".torn"
                assert now[torn].endswith(tail)
        self.told.saw("raw lines acknowledged before a kill and there after it", _count(kept))

    def _check_trades(self) -> None:
        """Each trade of the raw lines is there once, and the certificate counts all others."""
        raw = defaultdict(list)
        for name, text in self._raw().items():
            for line in text.split(b"\n")[:-1] if name.endswith(".jsonl") else ():
                if b'"stream":"trade"' in line:
                    row = json.loads(line)
                    raw[row["symbol"]].append(row["trade_id"])
        for symbol in SYMBOLS:
            self._check_symbol(symbol, raw[symbol])

    def _check_symbol(self, symbol: str, raw: list[int]) -> None:
        held, where = set(raw), f"where symbol = '{symbol}'"
        found = lakes.ask(self.folder, f"select trade_id from trades {where} order by all")
        assert [row[0] for row in found] == sorted(held)
        sums = "min(first_id), max(last_id), sum(count), sum(missing), sum(duplicates)"
        [certificate] = lakes.ask(self.folder, f"select {sums} from tape {where}")
        first, last, count, missing, duplicates = certificate
        assert (first, last, count) == (min(held), max(held), len(held))
        assert missing == last - first + 1 - len(held) and duplicates == len(raw) - len(held)
        sent = set(self.exchange.delivered.get(symbol, ()))
        sent.update(self.exchange.doubtful.get(symbol, ()))
        assert held <= sent
        lost = {number for number in sent - held if first < number < last}
        assert len(lost) <= missing
        holes = lakes.ask(
            self.folder, f"select count(*) from bars_1s {where} and state in ('dark', 'partial')"
        )
        assert holes[0][0] >= (2 if missing else 0)
        self.told.saw("trades on disk and in the lake, once", len(held))
        self.told.saw("trades named missing", int(missing))
        self.told.saw("of these, sent to a process that was killed before it wrote them", len(lost))


def _lines(raw: Raw) -> dict[str, Counter]:
    """The whole lines of parts, by folder of the symbol."""
    found: dict[str, Counter] = defaultdict(Counter)
    for name, text in raw.items():
        if not name.endswith(".torn"):
            found[name.rsplit("/", 2)[0]].update(text.split(b"\n")[:-1])
    return found


def _count(lines: dict[str, Counter]) -> int:
    return sum(counter.total() for counter in lines.values())
