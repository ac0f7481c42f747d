"""Locks that the operating system holds for a process and frees when it ends, however it ends.

The file stays where it is, locked or not; what is written in it only says who holds the lock.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

# Even without waiting a lock is tried for this long: is_held() of another process takes it for
# an instant.
PATIENCE_S = 0.3
POLL_S = 0.02
# How the sentence begins that says who holds a lock.
BUSY = "Another process is already"

if os.name == "nt":
    import msvcrt

    # Far behind the text: a locked byte cannot be read by others on Windows.
    LOCKED_BYTE = 2**30

    def _take(descriptor: int, shared: bool) -> bool:
        """True when the lock is ours now. (Windows knows no shared one: taken for an instant.)"""
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _free(descriptor: int) -> None:
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(descriptor: int, shared: bool) -> bool:
        """True when the lock is ours now."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _free(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class _Holder(msgspec.Struct):
    """What a lock file says about the process that holds it."""

    pid: int
    command: str
    since: str
    doing: str = ""


@contextmanager
def hold(path: Path, doing: str, wait_s: float = 0, others_s: float = 0) -> Iterator[None]:
    """Hold the lock of a file; ClickException that names the holder when another process has it.

    `doing` completes the sentence "Another process is already …"; `wait_s`: how long to wait for
    the other process to end; `others_s`: the same where that one is doing something else.
    """
    descriptor = _open(path)
    try:
        _take_in_time(descriptor, path, doing, wait_s, others_s)
        _sign(descriptor, doing)
        yield
        os.ftruncate(descriptor, 0)
        _free(descriptor)
    finally:
        os.close(descriptor)


def is_held(path: Path) -> str | None:
    """Who holds the lock of a file ("process 12 since …: lake collect"), None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        if _take(descriptor, shared=True):
            _free(descriptor)
            return None
        return _who(path)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """The lock file, made when it is not there; ClickException where none can be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written ({error.strerror}): choose another general.base_path"
        ) from None


def _take_in_time(descriptor: int, path: Path, doing: str, wait_s: float, others_s: float) -> None:
    started = time.monotonic()
    while not _take(descriptor, shared=False):
        holder = _holder(path)
        # One that has not signed yet may do something else.
        busy = holder and (holder.doing or doing)
        patience_s = max(wait_s, PATIENCE_S, others_s if busy != doing else 0)
        if time.monotonic() - started > patience_s:
            raise click.ClickException(
                f"{BUSY} {busy or doing} ({_who(path)}): stop it first, or wait until it has ended"
            )
        time.sleep(POLL_S)


def _sign(descriptor: int, doing: str) -> None:
    """Write who we are into the lock file."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, msgspec.json.encode(_Holder(os.getpid(), command, since, doing)))


def _who(path: Path) -> str:
    """The holder in words."""
    holder = _holder(path)
    if holder is None:
        return "it has not said yet which process it is"
    return f"process {holder.pid} since {holder.since}: {holder.command}"


def _holder(path: Path) -> _Holder | None:
    """What the file says; None in the instant in which it is signed."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Holder)
    except (msgspec.DecodeError, OSError):
        return None
