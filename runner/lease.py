"""Replacing a file at a moment at which nobody has it open.

DuckDB opens a Parquet file by its name twice, for the footer and then for the rows: a file replaced
between the two fails the query. Windows refuses to replace an open file. Linux can be asked for
the same by a write lease: it is granted only while nobody else has the file open, and who opens it
then waits until it is given back.
"""

import contextlib
import os
import shutil
import signal
import threading
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

OFFERED = hasattr(fcntl, "F_SETLEASE")
# DuckDB 2 closes the first file of a query after its footer and opens it again about 0.5 ms later:
# no lease sees that, so the file should stay unopened for longer, the more so if it is being read.
UNREAD_QUIET_S = 0.004
READ_QUIET_S = 0.015
QUIET_LIMIT_S = 0.2
HELD_LIMIT_S = 2.0
SHORTEST_S = 0.03
FORGET_S = 60
POLL_S = 0.0005


class Patience:
    """How long to wait for a file that others hold open.

    Each file that was held to the end halves it, for a minute: a notebook that holds a whole year
    delays a build by some seconds, not by 2 a file.
    """

    def __init__(self):
        self.limit_s, self.spent_at = HELD_LIMIT_S, 0.0
        self.lock = threading.Lock()

    def left_s(self) -> float:
        with self.lock:
            if time.monotonic() - self.spent_at > FORGET_S:
                self.limit_s = HELD_LIMIT_S
            return self.limit_s

    def spend(self) -> None:
        with self.lock:
            self.limit_s = max(self.limit_s / 2, SHORTEST_S)
            self.spent_at = time.monotonic()


PATIENCE = Patience()


def replace_unread(source: Path, path: Path) -> bool:
    """Put `source` in the place of `path` while nobody else has that open; False, and nothing done,
    where there is no old file, leases are not to be had, or others held it for too long.
    """
    if not OFFERED:
        return False
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if not (_works_beside(source) and _lease_when_free(handle)):
            return False
        source.replace(path)
        # not where a hard link keeps the old content on purpose
        if _is_awaited(handle) and os.fstat(handle).st_nlink == 0:
            _copy_into(handle, path)
        return True
    finally:
        _give_back(handle)
        os.close(handle)


def _works_beside(source: Path) -> bool:
    """Whether this file system lends the new file, which nobody else has open."""
    handle = os.open(source, os.O_RDWR | os.O_CLOEXEC)
    try:
        return _lease(handle)
    finally:
        os.close(handle)


def _lease(handle: int) -> bool:
    try:
        # the usual signal to a holder whose file is opened would end the process; this one is
        # ignored, and a build looks by itself
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    return True


def _give_back(handle: int) -> None:
    """Not left to close(): a process forked meanwhile has the handle too."""
    with contextlib.suppress(OSError):  # there was none
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _is_awaited(handle: int) -> bool:
    """Whether somebody waits in open() for the lease to be given back."""
    return fcntl.fcntl(handle, fcntl.F_GETLEASE) != fcntl.F_WRLCK


def _lease_when_free(handle: int) -> bool:
    """Lease a file, after some milliseconds in which nobody opened it: the longer that takes, the
    fewer are asked for.
    """
    started, limit_s, quiet_s = time.monotonic(), PATIENCE.left_s(), UNREAD_QUIET_S
    while (waited_s := time.monotonic() - started) < limit_s:
        if _lease(handle) and _stays_unopened(handle, quiet_s):
            return True
        _give_back(handle)
        time.sleep(POLL_S)
        quiet_s = READ_QUIET_S * (1 - waited_s / QUIET_LIMIT_S)
    PATIENCE.spend()
    return False


def _stays_unopened(handle: int, quiet_s: float) -> bool:
    until = time.monotonic() + quiet_s
    while time.monotonic() < until:
        time.sleep(POLL_S)
        if _is_awaited(handle):
            return False
    return True


def _copy_into(handle: int, path: Path) -> None:
    """Write the new content into the old file, which has no name any more.

    Who opened it just before it was replaced waits with it in hand, has read nothing yet, and opens
    the new file next: both must be the same.
    """
    with contextlib.suppress(OSError), path.open("rb") as new:  # a full disk: that reader fails
        os.ftruncate(handle, 0)
        with open(handle, "wb", closefd=False) as old:
            shutil.copyfileobj(new, old, 1 << 20)
