"""Ctrl+C and SIGTERM as an orderly end; a second one ends at once."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# SIGBREAK is what Windows sends for Ctrl+Break and what a parent process can send there.
NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")


@contextmanager
def stop_on_signals(stop: Callable[[str], None]) -> Iterator[None]:
    """Call `stop` with the signal's name within the loop; outside the main thread do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {}

    def handle(number: int, frame: object) -> None:
        restore()
        loop.call_soon_threadsafe(stop, signal.Signals(number).name)

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())

    for name in NAMES:
        if number := getattr(signal, name, None):
            # signal.signal, and not the loop's own handlers, which Windows does not have.
            before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
