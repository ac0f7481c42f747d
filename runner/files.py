"""Files as a whole: moved into place on every system, written in one step, hashed."""

import hashlib
import os
import time
from pathlib import Path

SHARING_VIOLATION_S = 10


def replace(source: Path, path: Path) -> None:
    """os.replace; on Windows, where an open file refuses it, tried again for 10 seconds."""
    deadline = time.monotonic() + SHARING_VIOLATION_S
    while True:
        try:
            source.replace(path)
            return
        except PermissionError:
            if os.name != "nt" or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that its readers see the old one or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    following = path.with_name(f"{path.name}.next")
    following.write_bytes(content)
    replace(following, path)


def sha256(path: Path) -> str:
    """The hash of a file, as sha256sum has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename durable where the system can sync folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
