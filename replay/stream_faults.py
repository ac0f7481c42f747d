"""Faults of the stream: each a generator from events to events, the same for every client.

An event that a fault moves gets the receive time of its new place, so that receive times never go
back and a client's clock stays right.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle

import msgspec

from replay.events import Event
from replay.faults import GARBLES, Fault

Events = Iterator[Event]


class Garbled(msgspec.Struct):
    """An event whose message arrives broken in the way `kind` says; nobody can read it."""

    event: Event
    recv_us: int
    stream: str
    symbol: str
    kind: str

    def text(self, message: str) -> str:
        return garble(message, self.kind)


class Oversized(msgspec.Struct):
    """An event once more, with blanks inside its message up to `size` bytes."""

    event: Event
    recv_us: int
    stream: str
    symbol: str
    size: int

    def text(self, message: str) -> str:
        return message[:-1] + " " * (self.size - len(message)) + message[-1]


def garble(message: str, kind: str) -> str:
    """A message broken: JSON that is none, or a price or id that is missing or no number."""
    price = r'"(p|a|c)":"[^"]*"'  # of a trade, a quote, a candle
    if kind == "invalid":
        return message.replace(":", ";", 2)
    if kind == "truncated":
        return message[: len(message) // 2]
    if kind == "wrong_type":
        return re.sub(price, r'"\1":["1"]', message, count=1)
    if kind == "missing_key":
        return re.sub(price + ",?", "", message, count=1).replace(",}", "}")
    value = "null" if kind == "null_price" else '"NaN"'
    return re.sub(price, rf'"\1":{value}', message, count=1)


def with_faults(faults: Iterable[Fault], events: Iterable[Event], start_us: int) -> Events:
    """The events as these faults leave them; faults of connections change nothing here."""
    # What loses or moves events comes first, so that what breaks messages sees the final ones.
    for name, alter in _FAULTS.items():
        for fault in faults:
            if fault.name == name:
                events = alter(fault, iter(events), start_us)
    return iter(events)


def _gap(fault: Fault, events: Events, start_us: int) -> Events:
    """Without the next `count` trades of the symbol (of each symbol, when none is named)."""
    times = fault.times_us(start_us)
    due, open_gaps = next(times), []
    for event in events:
        while due is not None and event.recv_us >= due:
            open_gaps.append({})
            due = next(times, None)
        trade = event.stream.endswith("@trade") and fault.hits(event.symbol, event.stream)
        if not trade or not _skipped(open_gaps, event, fault.count("count")):
            yield event


def _skipped(open_gaps: list[dict[str, set[int]]], event: Event, count: int) -> bool:
    """Whether a gap swallows this trade: its id is in one, or one has room for it."""
    for gap in open_gaps:
        ids = gap.setdefault(event.symbol, set())
        if event.trade_id in ids:
            return True
        if len(ids) < count:
            ids.add(event.trade_id)
            return True
    return False


def _duplicate(fault: Fault, events: Events, start_us: int) -> Events:
    """With the last `count` events sent again."""
    last: deque[Event] = deque(maxlen=fault.count("count"))
    times = fault.times_us(start_us)
    due = next(times)
    for event in events:
        while due is not None and event.recv_us >= due:
            yield from [msgspec.structs.replace(old, recv_us=event.recv_us) for old in last]
            due = next(times, None)
        yield event
        if fault.hits(event.symbol, event.stream):
            last.append(event)


def _reorder(fault: Fault, events: Events, start_us: int) -> Events:
    """With the next `count` events held until `by` others of their stream have passed."""
    times, late_us = fault.times_us(start_us), fault.duration_us("late")
    due, to_hold = next(times), 0
    held: list[list] = []  # event, others still to pass, release time
    for event in events:
        while due is not None and event.recv_us >= due:
            to_hold += fault.count("count")
            due = next(times, None)
        if late_us is not None:
            yield from _released(held, event, late_us)
        if to_hold and fault.hits(event.symbol, event.stream):
            to_hold -= 1
            held.append([event, fault.count("by"), event.recv_us + (late_us or 0)])
            continue
        yield event
        for entry in held:
            entry[1] -= entry[0].stream == event.stream
        if late_us is None:
            yield from _released(held, event, late_us)
    yield from [msgspec.structs.replace(entry[0], recv_us=event.recv_us) for entry in held]


def _released(held: list[list], event: Event, late_us: int | None) -> Events:
    """The held events whose time has come, received now, the newest of them first."""
    ready = [e for e in held if (e[1] <= 0 if late_us is None else event.recv_us >= e[2])]
    for entry in reversed(ready):
        held.remove(entry)
        yield msgspec.structs.replace(entry[0], recv_us=event.recv_us)


def _malformed(fault: Fault, events: Events, start_us: int) -> Events:
    """With the next `count` events garbled."""
    kinds = cycle([fault.settings["kind"]] if fault.settings["kind"] else GARBLES)
    times = fault.times_us(start_us)
    due, to_garble = next(times), 0
    for event in events:
        while due is not None and event.recv_us >= due:
            to_garble += fault.count("count")
            due = next(times, None)
        whole = type(event) is not Garbled
        if to_garble and whole and fault.hits(event.symbol, event.stream):
            to_garble -= 1
            yield Garbled(event, event.recv_us, event.stream, event.symbol, next(kinds))
        else:
            yield event


def _oversized(fault: Fault, events: Events, start_us: int) -> Events:
    """With one more, huge frame after the next event, which it repeats."""
    times = fault.times_us(start_us)
    due = next(times)
    for event in events:
        yield event
        whole = type(event) not in (Garbled, Oversized)  # what nobody can read is not repeated
        hit = whole and fault.hits(event.symbol, event.stream)
        if due is not None and event.recv_us >= due and hit:
            yield Oversized(event, event.recv_us, event.stream, event.symbol, fault.count("size"))
            due = next(times, None)


def _delay(fault: Fault, events: Events, start_us: int) -> Events:
    """With what is received within `for` of each moment received at the end of that time."""
    times, hold_us = fault.times_us(start_us), fault.duration_us("for")
    due, until_us = next(times), 0
    for event in events:
        while due is not None and event.recv_us >= due:
            until_us = due + hold_us
            due = next(times, None)
        late = event.recv_us < until_us
        yield msgspec.structs.replace(event, recv_us=until_us) if late else event


_FAULTS: dict[str, Callable[[Fault, Events, int], Events]] = {
    "gap": _gap,
    "delay": _delay,
    "reorder": _reorder,
    "duplicate": _duplicate,
    "malformed": _malformed,
    "oversized": _oversized,
}
