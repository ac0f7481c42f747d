"""The SQL files of a lake: the directory is the registry, the SQL itself says what reads what.

A model is one file of sql/<layer>/, its name the relation's name. A file of the lake's own sql/ or
macros/ replaces the shipped file of the same path; a new one adds.
"""

import difflib
import functools
import hashlib
import re
from pathlib import Path

import click
import jinja2

from runner.config import SHIPPED, Lake
from runner.models import remembered, templates
from runner.models.fingerprint import normalised
from runner.models.macros import Macros
from runner.models.sql_files import Model, files, model, read
from runner.models.sql_text import tables_read

TICKS = {"trades", "quotes"}

# What a template's own expressions raise: {{ 1 / 0 }}, {{ "a" + 1 }}, a macro that calls itself.
TEMPLATE_ERRORS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)

# What the runner fills in for one unit of work; a fingerprint leaves these unexpanded. (`tf` and
# `width_us` are those of the bars that rules check; the catalog lets newest() open fewer files.)
UNIT = {
    "exchange": "{exchange}",
    "symbol": "{symbol}",
    "ticker": "{ticker}",
    "interval": "1m",
    "day": "1970-01-01",
    "file": "",
    "kept": "",
    "kept_until_us": 0,
    "from_us": 0,
    "to_us": 0,
    "raw_files": "['{raw}']",
    "complete_until_us": 0,
    "has_copies": True,
    "is_strict": False,
    "tf": "1s",
    "width_us": 1_000_000,
    "newest": str,
}


class Models:
    """All models and macros of a lake, rendered with its configuration.

    A failing template raises ClickException with its file and line.
    """

    def __init__(self, lake: Lake):
        self.lake = lake
        roots = list(dict.fromkeys([lake.folder, SHIPPED]))
        self.models = {path.stem: model(path) for path in files(roots, "sql", "*/*.sql")}
        self.macros = Macros(roots)
        self.roots = roots
        self.jinja = templates.environment(roots)
        self.known = remembered.recall(lake)
        self._refuse_clashes()
        self._refuse_unused()
        self.macros.check()

    def _refuse_clashes(self) -> None:
        """No name and no place of files may be taken twice."""
        for name in sorted(set(self.models) & set(self.macros)):
            raise click.ClickException(
                f"{self.macros[name]}: a relation is called {name} too; rename one of them"
            )
        places: dict[str, Path] = {}
        for one in self.stored():
            place = one.file.lower()
            if place in places:
                raise click.ClickException(
                    f"{one.path}: its files would lie where those of {places[place]} do; "
                    "give `-- file:` another path"
                )
            places[place] = one.path

    def _refuse_unused(self) -> None:
        """No file of the lake's own may lie where nothing would come of it: in a folder that is no
        layer, neither stored nor named by another file.
        """
        layers = {path.name for path in (SHIPPED / "sql").iterdir() if path.is_dir()}
        for one in self.models.values():
            if one.layer in layers or one.file or self._is_named(one):
                continue
            near = difflib.get_close_matches(one.layer.lower(), sorted(layers), 1)
            hint = f"; did you mean sql/{near[0]}? A" if near else "; a"
            raise click.ClickException(
                f"{one.path}: there is no layer sql/{one.layer}{hint} file in a folder of "
                "your own must be stored (`-- file:`) or read by another file"
            )

    def _is_named(self, model: Model) -> bool:
        texts = [other.text for other in self.models.values() if other is not model]
        texts += [read(path) for path in self.macros.values()]
        return any(re.search(rf"\b{model.name}\b", text) for text in texts)

    def __getitem__(self, name: str) -> Model:
        return self.models[name]

    def stored(self) -> list[Model]:
        """The models whose rows are published as files."""
        return [model for model in self.models.values() if model.file]

    def is_own(self, path: Path) -> bool:
        """Whether a file is the lake's own, in place of a shipped one or beside them."""
        return self.lake.folder != SHIPPED and path.is_relative_to(self.lake.folder)

    def file(self, name: str) -> Path:
        """The lake's own file of a path, else the shipped one."""
        return next((root / name for root in self.roots if (root / name).exists()), Path(name))

    def render(self, name: str, **unit) -> str:
        """The SQL of a model for one unit of work; what a unit leaves out is a placeholder."""
        model = self.models[name]
        columns = {}
        if name == "bar_hours":
            columns["trade_columns"] = self.columns_read("trades")
            columns["quote_columns"] = self.columns_read("quotes")
        return self.rendered(model.path, model.text, **columns, **unit)

    def rendered(self, path: Path, text: str, **values) -> str:
        """A template of the file `path`, with the configuration and these values filled in."""
        config = self.lake.written
        sections = {key: getattr(config, key) for key in config.__struct_fields__}
        try:
            template = templates.template(text, self.jinja)
            stored = self.stored()
            return template.render({**UNIT, "stored": stored, **sections, **values}).strip()
        except TEMPLATE_ERRORS as error:
            line = getattr(error, "lineno", None) or _line_of(error)
            why = getattr(error, "message", None) or error
            raise click.ClickException(f"{path}, line {line}: {why}") from error

    def reads(self, name: str) -> frozenset[str]:
        """The relations of this lake that a model names, itself excluded."""
        if name not in self.known.reads:
            found = set(self.tables(self.models[name].path, self.render(name)))
            self.known.reads[name] = sorted(found & set(self.models) - {name})
        return frozenset(self.known.reads[name])

    def tables(self, path: Path, sql: str) -> list[str]:
        """The tables that a rendered text of the file `path` names; each text is parsed once."""
        key = hashlib.sha256(sql.encode()).hexdigest()
        if key not in self.known.tables:
            self.known.tables[key] = tables_read(path, sql)
        return self.known.tables[key]

    def save(self) -> None:
        """Keep what was found out about the SQL for the next command."""
        remembered.keep(self.lake, self.known)

    def chain(self, name: str) -> list[str]:
        """The models whose SQL makes a relation: itself and what it reads, down to stored
        relations.
        """
        seen, queue = [], [name]
        while queue:
            model = queue.pop()
            if model in seen:
                continue
            seen.append(model)
            queue += [read for read in self.reads(model) if not self.models[read].file]
        return sorted(seen)

    def readers(self, name: str) -> set[str]:
        """The relations that read a relation, directly or through others."""
        direct = {model for model in self.models if name in self.reads(model)}
        return direct.union(*(self.readers(model) for model in direct))

    def fingerprint(self, name: str) -> dict[str, str]:
        """File → hash of the SQL that makes a relation, macros included; comments and spaces do
        not count. The template counts beside what it renders to, for its branches.
        """
        if name not in self.known.fingerprints:
            self.known.fingerprints[name] = self._fingerprint(name)
        return self.known.fingerprints[name]

    def _fingerprint(self, name: str) -> dict[str, str]:
        chain = {*self.chain(name), *self._ticks_read(name)}
        texts = {self._file(model): self._text_of(model) for model in chain}
        words = {word for text in texts.values() for word in re.findall(r"\w+", text)}
        macros = self.macros.used_in(words)
        texts |= {f"macros/{macro}.sql": self.macros.normalised(macro) for macro in macros}
        return {
            file: hashlib.sha256(text.encode()).hexdigest()[:12]
            for file, text in sorted(texts.items())
        }

    def _ticks_read(self, name: str) -> set[str]:
        """The tick relations that a relation of bars reads: made anew in its own units, from their
        sources, so that their SQL is the bars' too.
        """
        reads = set().union(*(self.reads(model) for model in self.chain(name)))
        return reads & TICKS if name == "bars_1s" else set()

    def _file(self, name: str) -> str:
        return f"sql/{self.models[name].layer}/{name}.sql"

    def _text_of(self, name: str) -> str:
        template = re.sub(r"\{#.*?#\}", "", self.models[name].text, flags=re.DOTALL)
        return f"{normalised(self.render(name))} {normalised(template)}"

    def sql_hash(self, name: str) -> str:
        """Hash of one file's own SQL."""
        return hashlib.sha256(self._text_of(name).encode()).hexdigest()[:12]

    @functools.cache  # noqa: B019
    def columns_read(self, relation: str) -> tuple[str, ...]:
        """The columns of a tick relation that the bars read, of those that notes keep a hash of."""
        words = set()
        for name, one in self.models.items():
            if one.layer == "bars" and relation in self.reads(name):
                words |= set(re.findall(r"\w+", normalised(self.render(name))))
        notes = self.models[{"trades": "trade_hours", "quotes": "quote_hours"}[relation]]
        columns = dict.fromkeys(re.findall(r"(\w+)_hash\b", notes.text))
        return tuple(column for column in columns if column in words)


def _line_of(error: Exception) -> int | str:
    """The template line that an error of rendering comes from."""
    trace, line = error.__traceback__, "?"
    while trace:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
