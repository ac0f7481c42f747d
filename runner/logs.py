"""Where log lines go: the terminal, and one file a day under <base>/logs, kept for 14 days."""

import os
import shutil
import sys
import textwrap
import time
from logging import LogRecord
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import Literal

from loguru import logger

from runner.config import Lake
from runner.run import supervised

Log = Literal["collector", "transformer", "validation", "run"]
DAYS_KEPT = 14
SECONDS_BETWEEN_COMPLAINTS = 60
LINE = "{time:YYYY-MM-DD HH:mm:ss.SSS!UTC}Z <level>{level: <7}</level> {message}{extra[_why]}"


def setup(lake: Lake, name: Log, debug=False) -> None:
    """Send loguru's lines to stderr and <name>.log in the lake's log folder; times are UTC.

    A line that the command prints itself is bound to `printed` and goes into the file only.
    `debug`: also lines of level DEBUG, and stack traces; else an exception is one sentence.
    """
    _warned.count = 0
    level = "DEBUG" if debug else lake.config.general.log_level
    # diagnose=False: it prints the values of variables, which may be whole messages.
    shared = {"level": level, "format": _line(debug), "backtrace": False, "diagnose": False}
    logger.remove()
    # There is no stderr under pythonw; of a child of `lake run` only what it prints is read.
    if sys.stderr is not None and not supervised.is_begun():
        # sys.stderr is looked up at each line: a live table on the terminal takes its place.
        logger.add(
            lambda text: sys.stderr.write(text if debug else _folded(text)),
            colorize=_coloured(),
            filter=lambda record: not record["extra"].get("printed"),
            **shared,
        )
    logger.add(_warned.add, level="WARNING", format="")
    file = folder(lake) / f"{name}.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.open("a").close()
    except OSError as error:
        logger.warning(f"no log file is kept: {file} cannot be written ({error.strerror})")
    else:
        logger.add(_DailyFile(file), **shared)


def folder(lake: Lake) -> Path:
    """Where the log files of a lake lie; those of test runs have a folder of their own."""
    return lake.base / "logs" / "test" if lake.testing else lake.base / "logs"


def warned() -> int:
    """How many warnings and errors were logged since `setup`."""
    return _warned.count


class _Count:
    """Counts lines."""

    count = 0

    def add(self, line: str) -> None:
        """Count a line, whatever it says."""
        self.count += 1


_warned = _Count()


def _line(debug: bool):
    """loguru's format: a line an event, and the stack trace below it when debugging."""

    def line(record) -> str:
        # An exception's text goes in by a field: in the format itself { and < would be read.
        error = record["exception"].value if record["exception"] else None
        record["extra"]["_why"] = f": {_sentence(error)}" if error and not debug else ""
        return LINE + ("\n{exception}" if debug else "\n")

    return line


def _folded(line: str) -> str:
    """A line broken between words at the width of the terminal; elsewhere as it is."""
    if not sys.stderr.isatty():
        return line
    width = shutil.get_terminal_size().columns
    whole = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(line, width, subsequent_indent="  ", **whole) + "\n"


def _sentence(error: BaseException) -> str:
    """What went wrong, on one line."""
    return " ".join(f"{error} ({type(error).__name__})".split())


def _coloured() -> bool:
    """Whether the terminal understands colours; an old Windows console prints their codes."""
    modern = os.name != "nt" or "WT_SESSION" in os.environ
    return sys.stderr.isatty() and modern and "NO_COLOR" not in os.environ


class _DailyFile(TimedRotatingFileHandler):
    """A log file that begins anew at midnight UTC and survives a full disk without a flood.

    loguru's own file sink prints a stack trace for every line that it cannot write.
    """

    def __init__(self, file: Path):
        super().__init__(
            file, when="midnight", utc=True, backupCount=DAYS_KEPT, delay=True, encoding="utf-8"
        )
        self.complained = -float(SECONDS_BETWEEN_COMPLAINTS)

    def format(self, record: LogRecord) -> str:
        """The line as loguru has made it."""
        return record.getMessage().rstrip("\n")

    def doRollover(self) -> None:  # noqa: N802  (logging's name)
        """Begin the file anew, unless another process of the lake has done so for this day."""
        day = time.strftime(self.suffix, time.gmtime(self.rolloverAt - self.interval))
        if not Path(f"{self.baseFilename}.{day}").exists():
            super().doRollover()
            return
        if self.stream:
            self.stream.close()
            self.stream = None
        self.rolloverAt = self.computeRollover(int(time.time()))

    def rotate(self, source: str, dest: str) -> None:
        """Rename, or go on in the same file while another process holds it (on Windows)."""
        try:
            super().rotate(source, dest)
        except OSError as error:
            self.complain(error)

    def handleError(self, record: LogRecord) -> None:  # noqa: N802  (logging's name)
        """A line that could not be written is lost; say so once a minute."""
        self.complain(sys.exc_info()[1])

    def close(self) -> None:
        """Close the file, also when its last lines do not fit on the disk."""
        try:
            super().close()
        except OSError as error:
            self.complain(error)

    def complain(self, error: BaseException | None) -> None:
        now = time.monotonic()
        if now - self.complained >= SECONDS_BETWEEN_COMPLAINTS and sys.stderr is not None:
            self.complained = now
            sys.stderr.write(f"{self.baseFilename} cannot be written: {error}\n")
