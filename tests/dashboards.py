"""Dashboards for tests: a server on a lake, and a browser that looks at it as a person does."""

import importlib.util
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import browser
import lakes
import pytest
from browser import Browser

PAGES = (
    "Market",
    "Data quality",
    "Macro and DXY",
    "Funding and open interest",
    "Health",
    "SQL",
)
NEEDED = [name for name in ("streamlit", "plotly") if importlib.util.find_spec(name) is None]
needs_server = pytest.mark.skipif(
    bool(NEEDED), reason=f"the extra [dashboard] is not installed: {', '.join(NEEDED)} missing"
)
needs_browser = pytest.mark.skipif(
    bool(NEEDED) or browser.program() is None,
    reason="no Chromium on this machine, or the extra [dashboard] is not installed",
)
RESTS = (
    "document.querySelector('[data-testid=\"stApp\"]')?.dataset.testScriptState === 'notRunning'"
    " && !document.querySelector('[data-stale=\"true\"]')"
)
FAULTS = "[...document.querySelectorAll('[data-testid=\"stException\"]')].map(e => e.innerText)"
ALERTS = "[...document.querySelectorAll('[data-testid=\"stAlert\"]')].map(e => e.innerText)"
# The traces of the n-th chart: name, type and number of points.
TRACES = """
    ([...document.querySelectorAll('.js-plotly-plot')][{number}]?.calcdata ?? []).map(points => [
        points[0].trace.name ?? '', points[0].trace.type, (points[0].trace.x ?? []).length,
        [...(points[0].trace.close ?? points[0].trace.y ?? [])].filter(Number.isFinite).length
    ])"""


@contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    """A dashboard of a lake; yields its address, and ends it as Ctrl+C would."""
    arguments = ["--config", str(folder), "--port", str(free_port()), *options]
    process = lakes.process("dashboard", *arguments)
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "http://" in line:
                break
        assert "http://" in lines[-1], process.communicate()
        yield lines[-1].split()[1]
    finally:
        process.terminate()
        out, err = process.communicate(timeout=20)
    if os.name != "nt":  # there a process cannot be told to end in order
        assert (process.returncode, err) == (0, "") and "has ended" in out


class Stage:
    """One dashboard that shows one lake after the other: each browser that opens it reads the
    config.yml anew, which names the data of another lake.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.show(folder)

    def show(self, folder: Path) -> None:
        """From now on it shows the lake of this folder."""
        base = json.dumps((folder / "data").as_posix())
        lakes.make(self.folder, f"  base_path: {base}\n")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Look:
    """A browser at a dashboard."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser, self.url = browser, url
        browser.open("about:blank")  # what another page still complains of is not ours
        browser.until("location.href === 'about:blank'")
        browser.complaints.clear()
        browser.open(url)
        self.rest("Market")

    def until(self, *texts: str) -> None:
        """Wait until all these can be read on a page that rests."""
        found = " && ".join(f"document.body.innerText.includes({json.dumps(one)})" for one in texts)
        self.browser.until(f"{found} && {RESTS}")

    def rest(self, title: str) -> None:
        """Wait until a page is there and nothing moves."""
        head = f"document.querySelector('h2')?.innerText.trim() === '{title}'"
        self.browser.until(f"{head} && {RESTS} && document.body.innerText.includes('as of ')")

    def visit(self, title: str) -> str:
        """Be on a page, by its name in the sidebar; returns what can be read on it."""
        if self.browser.run("document.querySelector('h2').innerText.trim()") == title:
            return self.browser.text()
        links = "document.querySelectorAll('[data-testid=\"stSidebarNavLink\"]')"
        self.browser.click(f"[...{links}].find(e => e.innerText.includes('{title}'))")
        self.rest(title)
        return self.browser.text()

    def press(self, label: str) -> None:
        """Press the button, pill or segment of a label."""
        self.browser.click(
            "[...document.querySelectorAll('button')].find("
            f"e => e.innerText.trim().split('\\n').includes('{label}'))"
        )

    def choose(self, label: str, value: str) -> None:
        """Choose a value of the select box of a label."""
        boxes = "document.querySelectorAll('[data-testid=\"stSelectbox\"]')"
        box = f"[...{boxes}].find(e => e.innerText.includes('{label}'))"
        self.browser.click(f"({box}).querySelector('[role=\"combobox\"], input')")
        options = "document.querySelectorAll('[role=\"option\"]')"
        self.browser.click(f"[...{options}].find(e => e.innerText.trim() === '{value}')")

    def traces(self, number: int = 0) -> list[list]:
        """The traces of a chart: name, type, points, points with a value."""
        chart = f"[...document.querySelectorAll('.js-plotly-plot')][{number}]"
        self.browser.until(f"!!{chart}?.calcdata && {RESTS}")
        return self.browser.run(TRACES.format(number=number))

    def title(self, number: int = 0) -> str:
        """What stands over a chart."""
        title = f"[...document.querySelectorAll('.js-plotly-plot')][{number}]?.layout?.title"
        told = f"{title}?.text && {title}.text + ' ' + {title}.subtitle.text"
        return " ".join(str(self.browser.until(told)).replace("<br>", " ").split())

    def alerts(self) -> list[str]:
        return [" ".join(text.split()) for text in self.browser.run(ALERTS)]

    def faults(self) -> list[str]:
        """What a person would call an error page, and what the console complains of."""
        told = list(self.browser.run(FAULTS)) + self.browser.complaints
        if "has encountered an error" in self.browser.text():
            told.append(self.browser.text())
        return told

    def downloaded(self, name: str, form: str, folder: Path) -> Path:
        """Press a download button of a table, which is opened for it; returns the file."""
        self.browser.downloads(folder)
        closed = f"document.querySelector('.st-key-{name}_open summary')"
        button = f"document.querySelector('.st-key-{name}_{form} button')"
        if self.browser.run(f"!!{closed} && !{button}"):
            self.browser.click(closed)
        self.browser.until(f"!!{button} && {RESTS}")
        self.browser.click(button)
        path = folder / f"{name}.{form}"
        browser.until(path.exists, f"the download of {path.name}", self.browser.text)
        return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own."""
    one = Browser()
    try:
        yield one
    finally:
        with suppress(OSError, AssertionError):
            one.close()
