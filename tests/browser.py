"""A headless Chromium, driven over its own protocol: no driver to install.

What pages write to the console and what fails in them is kept in `complaints`.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
PATIENCE_S = 60.0
LOOK_S = 0.05
LONGEST = 500


def program() -> str | None:
    """Where a Chromium lies, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a Chromium of its own."""

    def __init__(self, width: int = 1280, height: int = 900) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lake-browser-"))
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        own = [f"--user-data-dir={self.folder}", f"--window-size={width},{height}"]
        self.process = subprocess.Popen(
            [program(), *OPTIONS, *root, *own, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.complaints: list[str] = []
        self._number = 0
        self._open = ExitStack()
        try:
            self._begin()
            self.resize(width, height)
        except BaseException:
            self._end()
            raise

    def _begin(self) -> None:
        """Attach to the browser's page."""
        address = connect(self._address(), max_size=None, proxy=None, ping_interval=None)
        self._socket = self._open.enter_context(address)
        [page] = [one for one in self._targets() if one["type"] == "page"]
        attached = self._send("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def _address(self) -> str:
        port = self.folder / "DevToolsActivePort"
        until(lambda: port.exists() and len(port.read_text().split()) == 2, "the browser to start")
        number, path = port.read_text().split()
        return f"ws://127.0.0.1:{number}{path}"

    def _targets(self) -> list[dict]:
        return self._send("Target.getTargets")["targetInfos"]

    def send(self, method: str, **parameters) -> dict:
        """A command to the page; returns its result."""
        return self._send(method, self._session, **parameters)

    def _send(self, method: str, session: str | None = None, **parameters) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict) -> None:
        """Keep what a page complains of."""
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"])[:LONGEST])
        if method == "Log.entryAdded" and told["entry"]["level"] == "error":
            entry = told["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}"[:LONGEST])
        if method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
            self.complaints.append(json.dumps(told["args"])[:LONGEST])

    def resize(self, width: int, height: int) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def run(self, script: str) -> object:
        """The value of a JavaScript expression."""
        told = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, script: str, what: str = "") -> object:
        """Wait until an expression is true; returns its value."""
        return until(lambda: self.run(script), what or script, self.text)

    def text(self) -> str:
        """What can be read on the page."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    def click(self, script: str) -> None:
        """Click the middle of the element that an expression finds, as a mouse does, once it no
        longer moves.
        """
        middle = (
            f"(() => {{ const found = {script}; if (!found) return [];"
            "found.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        places = [[], []]
        until(
            lambda: places.append(self.run(middle)) or (places[-1] and places[-1] == places[-2]),
            f"{script} to stand still",
            self.text,
        )
        where = places[-1]
        for kind in ("mousePressed", "mouseReleased"):
            self.send(
                "Input.dispatchMouseEvent",
                type=kind,
                x=where[0],
                y=where[1],
                button="left",
                clickCount=1,
            )

    def type(self, text: str) -> None:
        """Type text where the cursor is."""
        self.send("Input.insertText", text=text)

    def press(self, key: str, code: int, modifiers: int = 0) -> None:
        """Press a key such as Enter (13); modifiers: 2 is Ctrl."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                modifiers=modifiers,
            )

    def downloads(self, folder: Path) -> None:
        """Put downloads into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def picture(self, path: Path, height: int | None = None) -> None:
        """Save what can be seen, or the page to a height, as PNG."""
        if height:
            self.resize(1280, height)
        data = self.send("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """End the browser and take its folder away."""
        try:
            self._send("Browser.close")
            self.process.wait(timeout=20)
        finally:
            self._end()

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._open.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def until(found: Callable[[], object], what: str, told: Callable[[], str] = str) -> object:
    """Wait until something is so; returns it. Fails with what can be seen instead."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := found()):
        assert time.monotonic() < deadline, f"waited in vain for {what}; there is: {told()}"
        time.sleep(LOOK_S)
    return value
