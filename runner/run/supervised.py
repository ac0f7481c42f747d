"""A command that `lake run` has started, seen by itself: it ends with it, and tells what it did.

`lake run` holds the other end of stdin. When that closes, because it wants so or because it was
killed, the command ends in order as with Ctrl+C. No signal does this on every system.
"""

import os
import signal
import threading
import time
from collections import Counter

import click
import msgspec

# The rest of the 10 s in which everything is down.
PATIENCE_S = 7.0


class Outcome(msgspec.Struct, frozen=True):
    """The last line of a command's output: what it did, in numbers and words by name."""

    facts: dict[str, int | float | str | None]
    warnings: int


_counts: Counter[str] = Counter()
_words: dict[str, float | str | None] = {}
_begun = False


def begin() -> None:
    """End this process once stdin is closed, and finish its output with an Outcome."""
    global _begun
    _begun = True
    threading.Thread(target=_end_with_stdin, daemon=True).start()


def is_begun() -> bool:
    """Whether this process is a child of `lake run`."""
    return _begun


def count(**facts: int) -> None:
    """Add to what this command has done: count(files=3)."""
    _counts.update(facts)


def say(**facts: float | str | None) -> None:
    """Tell what this command has found: say(verdict="PASS")."""
    _words.update(facts)


def finish() -> None:
    """Print the Outcome, if `lake run` waits for it."""
    if _begun:
        from runner import logs

        outcome = Outcome({**_words, **_counts}, logs.warned())
        click.echo(msgspec.json.encode(outcome).decode())


def _end_with_stdin() -> None:
    while os.read(0, 1024):
        pass
    if os.name == "nt":
        import _thread

        _thread.interrupt_main(signal.SIGTERM)
    else:
        # to the main thread itself, so that whatever it waits for is interrupted
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
    time.sleep(PATIENCE_S)
    os._exit(1)
