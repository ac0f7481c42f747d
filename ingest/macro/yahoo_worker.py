"""The one thread that yfinance runs in, so that Ctrl+C need not wait for a request under way."""

import queue
import threading
from concurrent.futures import Future
from pathlib import Path

# A wait without end would not hear Ctrl+C on Windows.
POLL_S = 0.2


class Trouble(Exception):
    """No minutes; the text says why.

    `is_passing`: another try may help; `is_general`: so it is for every ticker.
    """

    def __init__(self, why: str, is_passing: bool = False, is_general: bool = False) -> None:
        super().__init__(why)
        self.is_passing, self.is_general = is_passing, is_general


class Limited(Trouble):
    """Yahoo wants fewer requests."""

    def __init__(self) -> None:
        super().__init__("too many requests (429)", is_passing=True, is_general=True)


class Worker:
    """Asks Yahoo, one stretch after the other, in a thread that ends with the process.

    `cache`, `url`: as of ingest.macro.yahoo.Yahoo.
    """

    def __init__(self, cache: Path, url: str) -> None:
        self._made_of = cache, url
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()

    def __enter__(self) -> "Worker":
        threading.Thread(target=self._run, name="yahoo", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._jobs.put(None)  # the thread ends after what it is doing; nobody waits for it

    def minutes(self, ticker: str, from_s: int, to_s: int) -> list[dict]:
        """As Yahoo.minutes, with its exceptions."""
        future: Future = Future()
        self._jobs.put(((ticker, from_s, to_s), future))
        while True:
            try:
                return future.result(timeout=POLL_S)
            except TimeoutError:
                if future.done():
                    raise

    def _run(self) -> None:
        yahoo = None
        while job := self._jobs.get():
            asked, future = job
            try:
                if yahoo is None:
                    # Imported here: it takes a second.
                    from ingest.macro.yahoo import Yahoo

                    yahoo = Yahoo(*self._made_of)
                future.set_result(yahoo.minutes(*asked))
            except Exception as error:
                future.set_exception(error)
