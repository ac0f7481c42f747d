"""Messages that found no room in memory: counted, and told to the session log."""

from ingest.collect.sessions import SessionLog


class Drops:
    """The drops of one connection since they were last told, by symbol and stream."""

    def __init__(self, conn: int, log: SessionLog) -> None:
        self._conn = conn
        self._log = log
        self._runs: dict[tuple[str, str], list[int]] = {}
        self.total = 0

    def note(self, symbol: str, stream: str, number: int) -> None:
        """Count a message by its trade id or update id."""
        self.total += 1
        run = self._runs.get((symbol, stream))
        if run is None:
            self._runs[symbol, stream] = [number, number, 1]
            return
        run[0], run[1], run[2] = min(run[0], number), max(run[1], number), run[2] + 1

    def tell(self) -> None:
        """A session line for each symbol and stream that lost something."""
        for (symbol, stream), (first, last, number) in self._runs.items():
            self._log.note(
                "dropped",
                self._conn,
                symbol=symbol,
                stream=stream,
                first_id=first,
                last_id=last,
                count=number,
            )
        self._runs.clear()
