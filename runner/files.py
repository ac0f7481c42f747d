"""Moving a finished file into place, on every system."""

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


def sync_folder(folder: Path) -> None:
    """Make a rename durable where the system can sync folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
