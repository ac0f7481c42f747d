"""The macros of a lake: one file of macros/ each, its name the macro's name."""

import re
from pathlib import Path

import click

from runner.models.fingerprint import normalised
from runner.models.sql_files import files, read


class Macros(dict[str, Path]):
    """Name → file."""

    def __init__(self, roots: list[Path]):
        super().__init__({path.stem: path for path in files(roots, "macros", "*.sql")})

    def check(self) -> None:
        """Stop at a file that makes anything but the macro of its name."""
        for path in self.values():
            _check(path)

    def sql(self) -> list[str]:
        """The text of all macros that return a value, those that others use first."""
        names, done = sorted(self), []
        uses = {name: self.used_in(self._words(name)) - {name} for name in names}
        while len(done) < len(names):
            ready = [name for name in names if name not in done and uses[name] <= set(done)]
            if not ready:
                raise click.ClickException(
                    f"macros use each other in a circle: {sorted(set(names) - set(done))}"
                )
            done += ready
        return [read(self[name]) for name in done if not self._is_of_rows(name)]

    def sql_of_rows(self) -> list[str]:
        """The text of those that return rows: they read views, so they come after these."""
        return [read(self[name]) for name in sorted(self) if self._is_of_rows(name)]

    def normalised(self, name: str) -> str:
        """The text of a macro; comments and spaces do not count."""
        return normalised(read(self[name]))

    def used_in(self, words: set[str]) -> set[str]:
        """The macros that a text of these words uses, also through others."""
        found, queue = set(), set(self) & words
        while queue:
            name = queue.pop()
            found.add(name)
            queue |= (set(self) & self._words(name)) - found
        return found

    def _words(self, name: str) -> set[str]:
        return set(re.findall(r"\w+", self.normalised(name)))

    def _is_of_rows(self, name: str) -> bool:
        return bool(re.search(r"\) as table ", self.normalised(name)))


def _check(path: Path) -> None:
    text = re.sub(r"--[^\n]*|'[^']*'", " ", read(path)).strip().rstrip(";")
    head = rf"create\s+or\s+replace\s+macro\s+{re.escape(path.stem)}\s*\("
    if not re.match(head, text, re.IGNORECASE) or ";" in text:
        raise click.ClickException(
            f"{path}, line 1: must hold one statement: create or replace macro {path.stem}(…) as …"
        )
