"""What was measured, as Markdown."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

PACKAGES = ("duckdb", "websockets", "msgspec", "pyarrow", "polars", "pandas", "chdb-core")


@dataclass
class Table:
    """One table: a title, what was measured, columns, rows of text, and notes below."""

    title: str
    about: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The table as Markdown; numbers stand at the right."""
        lines = [self.columns, tuple("---" if n == 0 else "--:" for n in range(len(self.columns)))]
        table = "\n".join(f"| {' | '.join(row)} |" for row in [*lines, *self.rows])
        notes = "".join(f"\n{note}" for note in self.notes)
        return f"## {self.title}\n\n{self.about}\n\n{table}\n{notes}\n"


def machine() -> str:
    """Machine, system, commit and versions, two lines."""
    memory = ""
    if hasattr(os, "sysconf"):
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB"
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%MZ")
    return (
        f"{when}, {_processor()}, {os.cpu_count()} cores{memory}{load}, {platform.platform()}, "
        f"commit {_commit()}\n\n{', '.join(versions)}\n"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if names:
            return names[0].partition(":")[2].strip()
    return platform.processor() or sys.platform


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"
