"""The truth about what clients got: which trade ids, by symbol.

A frame counts as delivered once the client has answered something that was sent after it: a ping
or a close frame. WebSocket answers come in order, so the answer proves what lay before it.
"""

from bisect import bisect_right
from collections.abc import Iterator

from replay.events import Event, Trade


class Ids:
    """A set of trade ids kept as ranges, small however many ids there are.

    >>> ids = Ids(); ids.add(7); ids.add(8); ids.add(10); ids.ranges()
    [(7, 8), (10, 10)]
    """

    def __init__(self):
        self._first: list[int] = []
        self._last: list[int] = []

    def add(self, number: int) -> None:
        self.add_range(number, number)

    def add_range(self, first: int, last: int) -> None:
        firsts, lasts = self._first, self._last
        if lasts and first == lasts[-1] + 1:
            lasts[-1] = last
            return
        low = bisect_right(lasts, first - 2)
        high = bisect_right(firsts, last + 1)
        if low < high:
            first, last = min(first, firsts[low]), max(last, lasts[high - 1])
        firsts[low:high], lasts[low:high] = [first], [last]

    def ranges(self) -> list[tuple[int, int]]:
        return list(zip(self._first, self._last, strict=True))

    def __len__(self) -> int:
        return sum(self._last) - sum(self._first) + len(self._first)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges():
            yield from range(first, last + 1)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number) - 1
        return at >= 0 and number <= self._last[at]

    def __repr__(self) -> str:
        return f"Ids({self.ranges()})"


BySymbol = dict[str, Ids]


def merge(into: BySymbol, other: BySymbol) -> None:
    """Adds the ids of `other` to those of `into`."""
    for symbol, ids in other.items():
        known = into.setdefault(symbol, Ids())
        for first, last in ids.ranges():
            known.add_range(first, last)


class Sent:
    """What one connection was sent and has not answered for yet, by the ping that will prove it."""

    def __init__(self, delivered: BySymbol):
        self._delivered = delivered
        self._open: BySymbol = {}
        self._marked: dict[bytes, BySymbol] = {}

    def add(self, event: Event) -> None:
        if type(event) is Trade:
            ids = self._open.get(event.symbol)
            if ids is None:
                ids = self._open[event.symbol] = Ids()
            ids.add(event.trade_id)

    def mark(self, payload: bytes) -> None:
        """A ping with this payload goes out now."""
        self._marked[payload] = self._open
        self._open = {}

    def answered(self, payload: bytes) -> None:
        """The client sent this ping back: it has read all that went before it."""
        while payload in self._marked:
            merge(self._delivered, self._marked.pop(next(iter(self._marked))))

    def closed(self) -> None:
        """The client answered our close frame: it has read all."""
        for ids in (*self._marked.values(), self._open):
            merge(self._delivered, ids)
        self._marked, self._open = {}, {}

    def unanswered(self) -> BySymbol:
        rest: BySymbol = {}
        for ids in (*self._marked.values(), self._open):
            merge(rest, ids)
        return rest
