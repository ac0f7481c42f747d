"""Recordings as a source of events: captures of the combined stream, and our own raw files.

- a capture has `<receive time> <combined-stream JSON>` a line; the receive time is in s, ms, µs or
  ns, told by its size, as are E and T inside; plain text or .gz. Other streams, lines without
  `stream` and what cannot be read are left out; keys that trades no longer have are ignored.
- our own raw: a file, or a folder at any depth (a symbol-day, a symbol, an exchange). Of its lines
  those count that came over the WebSocket; plain, .gz or .zst.

Files are merged by receive time, and each is read only when its time has come, so days of
recordings replay in little memory. Lines of one receive time keep the order of their file.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median_low

import click

from replay.events import Event, Trade
from replay.lines import events_in
from replay.symbols import unknown_symbol

# Lines that are read beforehand to learn the skew and the symbols: everything in a recording of
# minutes, the beginning of one of days.
SURVEY_LINES = 500_000

# Lines of a file may stand this far from their place by receive time and are still put right.
OUT_OF_PLACE = 20_000


class Recording:
    """Files of a recording as events sorted by receive time; iterate as often as needed.

    `skew_us` is the median of receive minus event time of its trades, `start_us` the first receive
    time, `symbols` what it holds, each with its (tick, lot): not known here, so the finest;
    `prices`: of their first trades.
    """

    def __init__(self, paths: Iterable[str | Path], symbols: Iterable[str] = ()):
        files = [file for path in paths for file in _files(Path(path))]
        firsts = [(first, file) for file in files if (first := _first_us(file))]
        if not firsts:
            names = ", ".join(str(path) for path in paths)
            raise click.ClickException(
                f"{names}: no trade or quote in it that can be replayed; give a capture "
                "(`<receive time> <combined-stream JSON>` a line) or raw files of a lake."
            )
        self._files = sorted(firsts, key=lambda pair: pair[0])
        self._only: frozenset[str] = frozenset()
        survey = list(islice(self, SURVEY_LINES))
        names = {event.symbol for event in survey} | self._symbols_of_files()
        self._only = frozenset(_chosen(symbols, names))
        kept = [event for event in survey if event.symbol in self._only]
        self.symbols = {name: ("0.00000001", "0.00000001") for name in sorted(self._only)}
        self.prices = _first_prices(kept)
        self.start_us = min((event.recv_us for event in kept), default=self._files[0][0])
        self.skew_us = _skew_us(kept)
        self.title = f"{len(self._files)} recorded file{'s' * (len(self._files) > 1)}"

    def __iter__(self) -> Iterator[Event]:
        events = _merged(self._files)
        if self._only:
            events = (event for event in events if event.symbol in self._only)
        return events

    def _symbols_of_files(self) -> set[str]:
        return {event.symbol for _, file in self._files for event in islice(events_in(file), 1)}


def _chosen(symbols: Iterable[str], names: set[str]) -> set[str]:
    chosen = set(symbols) or names
    for symbol in sorted(chosen - names):
        raise unknown_symbol(symbol, names, "the recording")
    return chosen


def _skew_us(events: list[Event]) -> int:
    """Median of receive minus event time in µs; 0 where there is no trade to tell it."""
    skews = [event.recv_us - event.event_us for event in events if type(event) is Trade]
    return median_low(skews) if skews else 0


def _first_prices(events: list[Event]) -> dict[str, str]:
    trades = [event for event in events if type(event) is Trade]
    return {trade.symbol: trade.price for trade in reversed(trades)}


def _files(path: Path) -> list[Path]:
    """The file itself, or the raw files below a folder, without those that hold no stream."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise click.ClickException(f"{path}: no such file or folder; give one that exists.")
    endings = (".jsonl", ".jsonl.zst", ".gz")
    return sorted(
        file
        for file in path.rglob("*")
        if file.name.endswith(endings)
        and not file.name.startswith("repair_")
        and not any(part.startswith("_") for part in file.relative_to(path).parts)
    )


def _first_us(file: Path) -> int | None:
    """The earliest receive time at the file's beginning, None when the file has no event."""
    return min((event.recv_us for event in islice(events_in(file), 20)), default=None)


def _merged(files: list[tuple[int, Path]]) -> Iterator[Event]:
    """Events of all files by receive time; a file is opened when its first one is due."""
    open_files: list[tuple[int, int, Event, Iterator[Event]]] = []
    opened = 0
    while open_files or opened < len(files):
        while opened < len(files) and (not open_files or files[opened][0] <= open_files[0][0]):
            events = _in_order(events_in(files[opened][1]))
            event = next(events)
            heapq.heappush(open_files, (event.recv_us, opened, event, events))
            opened += 1
        _, number, event, events = open_files[0]
        yield event
        following = next(events, None)
        if following is None:
            heapq.heappop(open_files)
        else:
            heapq.heapreplace(open_files, (following.recv_us, number, following, events))


def _in_order(events: Iterator[Event]) -> Iterator[Event]:
    """One file's events by receive time, stable, in bounded memory."""
    waiting: list[Event] = []
    while more := list(islice(events, OUT_OF_PLACE)):
        waiting += more
        waiting.sort(key=lambda event: event.recv_us)
        yield from waiting[:-OUT_OF_PLACE]
        del waiting[:-OUT_OF_PLACE]
    yield from waiting
