"""A synthetic market as a collector hears it: raw lines, the same for the same symbol and seed.

Three lines in ten are trades, the others quotes. Trades reach us a few milliseconds late, now and
then seconds, so that their order by receipt is not that by id; several share a moment; one in
fifty thousand is preceded by ids that nobody heard.
"""

from random import Random

# Names of one length: lakes of many symbols are made by copying one (lakes.as_sealed).
SYMBOLS = (
    *("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "SUIUSDT", "ADAUSDT", "TRXUSDT"),
    *("DOTUSDT", "LTCUSDT", "BCHUSDT", "UNIUSDT", "APTUSDT", "XLMUSDT", "FILUSDT", "ARBUSDT"),
    *("TONUSDT", "INJUSDT", "ETCUSDT"),
)
MINUTE_US = 60_000_000
DAY_US = 1_440 * MINUTE_US
FIRST_DAY = 20_381  # 2025-10-20, in days since 1970
SKEW_US = 1_270_000  # our clock is this far ahead of the exchange's


class Tape:
    """One symbol: the state of its market between two calls."""

    def __init__(self, symbol: str, seed: int = 1):
        self.symbol, self.random = symbol, Random(f"{seed} {symbol}")
        self.ticks = self.random.randrange(1_000, 1_000_000)
        self.trade_id = self.random.randrange(10**8, 10**9)
        self.update_id = self.random.randrange(10**10, 10**11)
        self.traded_us = 0  # of the order whose fills are coming

    def lines(self, start_us: int, span_us: int, count: int, conns: tuple[int, ...]) -> bytes:
        """Raw lines received in a stretch of time, evenly but for chance.

        `conns`: the connections that hear each line; the second one a moment later.
        """
        random, found = self.random.random, []
        for number in range(count):
            recv_us = start_us + int((number + random() / 2) * span_us / count)
            if random() < 0.1:
                self.ticks += 1 if random() < 0.5 else -1
            make = self._trade if random() < 0.3 else self._quote
            found.append(make(recv_us, conns))
        return "".join(found).encode()

    def _trade(self, recv_us: int, conns: tuple[int, ...]) -> str:
        random = self.random.random
        delay_us = 2_000 + int(random() * 8_000) + (3_000_000 if random() < 0.001 else 0)
        if random() < 0.6 or not self.traded_us:  # else another fill of the same order
            self.traded_us = recv_us - SKEW_US - delay_us
        self.trade_id += 1 if random() > 0.000_02 else 4
        price, qty = f"{self.ticks // 100}.{self.ticks % 100:02}000000", int(random() * 90_000) + 1
        side = "buy" if random() < 0.5 else "sell"
        head = f'{{"symbol":"{self.symbol}","ts_event":{self.traded_us},"ts_recv":'
        size = f"{qty // 1000}.{qty % 1000:03}00000"
        tail = (
            f',"price":"{price}","qty":"{size}","side":"{side}","bid":null,"ask":null,'
            f'"stream":"trade","trade_id":{self.trade_id},"event_time":{self.traded_us + 1_000},'
            f'"source":"ws","conn":'
        )
        return "".join(f"{head}{recv_us + 150 * n}{tail}{conn}}}\n" for n, conn in enumerate(conns))

    def _quote(self, recv_us: int, conns: tuple[int, ...]) -> str:
        random = self.random.random
        self.update_id += 1 + int(random() * 3)
        bid, ask = self.ticks, self.ticks + 1
        tail = (
            f',"price":null,"qty":null,"side":null,"bid":"{bid // 100}.{bid % 100:02}000000",'
            f'"ask":"{ask // 100}.{ask % 100:02}000000","stream":"bookTicker",'
            f'"update_id":{self.update_id},"bid_qty":"{int(random() * 9_000) + 1}.00000000",'
            f'"ask_qty":"{int(random() * 9_000) + 1}.00000000","conn":'
        )
        return "".join(
            f'{{"symbol":"{self.symbol}","ts_event":{at},"ts_recv":{at}{tail}{conn}}}\n'
            for conn, at in ((conn, recv_us + 150 * n) for n, conn in enumerate(conns))
        )
