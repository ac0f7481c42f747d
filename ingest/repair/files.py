"""Raw files of trades fetched by id: written whole, an hour of trades a file, never changed."""

import os
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.binance import text
from ingest.progress import Progress
from runner.files import replace, sync_folder
from runner.paths import HOUR_US, is_day

# Lines that wait in memory at most; a kill costs no more than fetching them again.
LINES = 20_000


@dataclass(frozen=True)
class Trade:
    """A trade as the exchange tells it: price and quantity are its own texts, times are in µs."""

    trade_id: int
    price: str
    qty: str
    trade_us: int
    is_sell: bool


class RepairFiles:
    """What was fetched of one symbol, on its way to the disk.

    `folder`: raw/<exchange>/<symbol>; `trades`, `absent`: how many ids came, and how many the
    exchange lacks.
    """

    def __init__(self, folder: Path, symbol: str, progress: Progress) -> None:
        self._folder, self._name, self._progress = folder, text(symbol), progress
        self._shown = 0
        self._hours: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
        self._waiting = self.trades = self.absent = 0

    def add(self, trade: Trade, fetched_us: int) -> None:
        """Take a trade."""
        own = f'"trade_id":{trade.trade_id},"event_time":null,"source":"rest","conn":null'
        side = "sell" if trade.is_sell else "buy"
        values = f'"price":"{trade.price}","qty":"{trade.qty}","side":"{side}"'
        self._line("trade", trade.trade_us, fetched_us, values, own, (trade.trade_id,) * 2)
        self.trades += 1

    def add_absent(self, first_id: int, last_id: int, before_us: int, fetched_us: int) -> None:
        """Take a range of ids that the exchange lacks, with the time of the trade before it."""
        own = f'"first_id":{first_id},"last_id":{last_id}'
        values = '"price":null,"qty":null,"side":null'
        self._line("absent", before_us, fetched_us, values, own, (first_id, last_id))
        self.absent += last_id - first_id + 1

    def _line(
        self, stream: str, us: int, fetched_us: int, values: str, own: str, ids: tuple[int, int]
    ) -> None:
        line = (
            f'{{"symbol":"{self._name}","ts_event":{us},"ts_recv":{fetched_us},{values},'
            f'"bid":null,"ask":null,"stream":"{stream}",{own}}}\n'
        )
        self._hours[us // HOUR_US].append((*ids, line))
        self._waiting += 1
        if self._waiting >= LINES:
            self.flush()

    def show(self) -> None:
        """Show how many ids came since this was last called."""
        shown, self._shown = self._shown, self.trades + self.absent
        self._progress.add(self._shown - shown)

    def flush(self) -> None:
        """Bring what waits to the disk, a file an hour."""
        for hour, lines in sorted(self._hours.items()):
            moment = datetime.fromtimestamp(hour * 3600, UTC)
            first, last = min(line[0] for line in lines), max(line[1] for line in lines)
            name = f"repair_{moment:%H}_{first}_{last}.jsonl"
            path = _free(self._folder / f"{moment:%Y-%m-%d}" / name)
            _write(path, "".join(line for *_, line in lines))
        self._hours.clear()
        self._waiting = 0


def _write(path: Path, content: str) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    following = path.with_name(f".{path.name}.tmp")
    with following.open("wb") as file:
        file.write(content.encode())
        file.flush()
        os.fsync(file.fileno())
    replace(following, path)
    sync_folder(path.parent)


def _free(path: Path) -> Path:
    """The path, with a number where a file of that name is there: it may hold other ids between."""
    free, again = path, 2
    while free.exists():
        free = path.with_name(f"{path.stem}_{again}.jsonl")
        again += 1
    return free


def clear(exchange: Path) -> None:
    """Remove what a killed repair left half-written, under raw/<exchange>."""
    for day in exchange.glob("[!_]*/*/"):
        if is_day(day.name):
            for path in day.glob(".repair_*.tmp"):
                path.unlink(missing_ok=True)
