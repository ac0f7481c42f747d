"""`watched.py macro --days 2` is `lake macro --days 2`, which may reach this machine only.

An audit hook sees every address that Python resolves or connects to.
"""

import os
import signal
import sys
from pathlib import Path

CONTACTED = "contacted another machine: "
HERE = {None, "127.0.0.1", "localhost", "::1"}


def stay_here() -> None:
    """End this process as soon as it contacts another machine."""

    def watch(event: str, found: tuple) -> None:
        if event == "socket.getaddrinfo":
            host = found[0]
        elif event == "socket.connect" and isinstance(found[1], tuple):
            host = found[1][0]
        else:
            return
        if host not in HERE:
            print(CONTACTED, host, flush=True)
            os._exit(99)

    sys.addaudithook(watch)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where a shell has "&"
    stay_here()
    import lake

    lake.cli(prog_name="lake")
