"""An HTTP server of a test on loopback, in a thread of its own, so that processes can ask it."""

import asyncio
import threading

from aiohttp import web


class Served:
    """`url` is its address from `with` on; `replay`: the value of X-Lake-Replay, None: no replay.

    A subclass adds its own routes.
    """

    def __init__(self) -> None:
        self.replay: str | None = None
        self.hanging = threading.Event()

    def clear(self) -> None:
        """Be as new, but for the address."""
        self.replay = None
        self.hanging = threading.Event()

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        raise NotImplementedError

    def set_clock(self, now_s: int) -> None:
        """Be a replay that stands at this time; who waits for it waits a thousandth as long."""
        self.replay = f"speed=1000; recv={now_s * 1_000_000}"

    def __enter__(self):
        self._loop, started = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,))
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self, started: threading.Event) -> None:
        app = web.Application()
        self.add_to(app)
        self._loop.run_until_complete(self._start(app))
        started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def hang(self) -> None:
        """Give no answer; `hanging` tells that somebody waits for one."""
        self.hanging.set()
        await asyncio.sleep(3600)

    async def time(self, request: web.Request) -> web.Response:
        """The answer of a time endpoint; 404 where it is no replay."""
        if self.replay is None:
            return web.Response(status=404)
        now_us = int(self.replay.rpartition("=")[2])
        return web.json_response({"serverTime": now_us}, headers={"X-Lake-Replay": self.replay})
