"""The lake that a config.yml describes: its settings, merged over the shipped ones, and its paths.

What holds: flags > testing > config.yml > shipped defaults.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import click
import msgspec

from runner import config_check, yaml_lines
from runner.settings import Config


def _shipped() -> Path:
    """The folder with the shipped config.yml, sql/, macros/ and reports/: in a wheel or a clone."""
    in_wheel = Path(__file__).parent / "shipped"
    return in_wheel if in_wheel.is_dir() else Path(__file__).parent.parent


SHIPPED = _shipped()

# In testing mode the key on the right takes the place of the one on the left.
TESTING = {
    "general.base_path": "testing.base_path",
    "transformer.schedule_minutes": "testing.transform_interval_min",
    "backfill.days": "testing.backfill_days",
    "macro_minute.schedule_minutes": "testing.macro_interval_min",
    "macro_minute.startup_backfill_days": "testing.macro_lookback_startup_days",
    "macro_minute.runtime_lookback_days": "testing.macro_runtime_lookback_days",
}


# Set to 1 by a test run for the commands that it starts.
TESTING_CHILD = "LAKE_TESTING"


@dataclass(frozen=True)
class Lake:
    """A lake: its settings in force and where it lies. All paths are absolute.

    `written`: the settings without a command's options. SQL sees these only, so that what is built
    does not depend on who builds it.
    """

    config: Config
    written: Config
    file: Path
    folder: Path
    base: Path
    db: Path
    testing: bool
    # Dotted key → where its value comes from ("config.yml", "testing", "--symbols"), for all
    # values that are not shipped defaults.
    origins: MappingProxyType[str, str]


def load(path: Path | None = None, testing: bool = False) -> Lake:
    """The lake of a config.yml, or of the folder that holds one; ClickException with all problems.

    `testing`: the flag; `testing.enabled` in the file and LAKE_TESTING=1 do the same.
    """
    file = _find(path)
    tree, origins = _merged(file)
    settings = msgspec.convert(tree, Config)
    testing = testing or settings.testing.enabled or os.environ.get(TESTING_CHILD) == "1"
    if testing:
        for key, test_key in TESTING.items():
            _put(tree, key, _at(tree, test_key))
            origins[key] = "testing"
        settings = msgspec.convert(tree, Config)
    base = _absolute(file.parent, settings.general.base_path)
    _refuse_file(base)
    db = (base if testing else file.parent) / "lake.db"
    return Lake(settings, settings, file, file.parent, base, db, testing, MappingProxyType(origins))


def _refuse_file(base: Path) -> None:
    """Stop where no folder can be: below a file, or at a name that the system does not take."""
    try:
        there = next(path for path in (base, *base.parents) if path.exists())
    except OSError as error:
        raise click.ClickException(f"general.base_path: {error.strerror}: {base}") from None
    if not there.is_dir():
        raise click.ClickException(f"{yaml_lines.shown_name(there)} is a file, not a folder")


def with_flags(lake: Lake, flags: dict[str, tuple[str, object]]) -> Lake:
    """The lake with a command's options in force: {"exchanges[0].symbols": ("--symbols", [...])}.

    None as a value: the option was not given. UsageError for a value that the key refuses.
    """
    given = {key: flag for key, flag in flags.items() if flag[1] is not None}
    tree = msgspec.to_builtins(lake.config)
    marks = {}
    for key, (flag, value) in given.items():
        _put(tree, key, list(value) if isinstance(value, tuple) else value)
        marks[key] = yaml_lines.Mark(flag)
    if problems := config_check.problems(tree, marks, yaml_lines.Mark("command line")):
        raise click.UsageError("\n".join(map(str, problems)))
    origins = {**lake.origins, **{key: flag for key, (flag, _) in given.items()}}
    settings = msgspec.convert(tree, Config)
    return replace(lake, config=settings, origins=MappingProxyType(origins))


def in_force(lake: Lake, *sections: str) -> list[str]:
    """A few lines that say at the start of a run what holds: the lake, then a line a section."""
    mode = "MODE: TEST, " if lake.testing else ""
    lines = [f"{mode}lake {lake.file}, data in {lake.base}"]
    tree = msgspec.to_builtins(lake.config)
    for section in sections:
        flat = _flat(_at(tree, section), section)
        values = {key: text for key, text in flat.items() if text}
        shown = [f"{key.removeprefix(section + '.')} {text}" for key, text in values.items()]
        told = [
            f"{text} ({lake.origins[key]})" if key in lake.origins else text
            for key, text in zip(values, shown, strict=True)
        ]
        lines.append(f"{section}: {', '.join(told)}")
    return lines


def _find(path: Path | None) -> Path:
    """The absolute path of the config.yml that is meant."""
    if path is None and not Path("config.yml").exists():
        raise click.ClickException(
            f"there is no config.yml in {Path.cwd()}: make a lake with `lake init`, "
            "or name one with --config"
        )
    file = _plain(Path("config.yml" if path is None else path))
    if file.name == "lake.db":
        file = file.parent
    if path is not None and file.is_dir():
        file /= "config.yml"
    if not file.exists():
        raise click.ClickException(f"{file} does not exist: make a lake with `lake init`")
    return file


def _merged(file: Path) -> tuple[dict, dict[str, str]]:
    """The user's settings over the shipped ones, checked, and the origin of the user's."""
    mine = yaml_lines.read(file)
    if mine.tree is not None and not isinstance(mine.tree, dict):
        got = config_check.shown(mine.tree)
        raise click.ClickException(f"{mine.shown}: expected sections such as general:, got {got}")
    own = not (SHIPPED / "config.yml").exists() or not file.samefile(SHIPPED / "config.yml")
    shipped = yaml_lines.read(SHIPPED / "config.yml") if own else mine
    tree = _over(shipped.tree or {}, mine.tree or {})
    marks = shipped.marks | mine.marks
    found = config_check.problems(tree, marks, yaml_lines.Mark(mine.shown))
    # A value that YAML itself could not read is named for that alone.
    unread = {problem.key for problem in mine.problems}
    found = mine.problems + [problem for problem in found if problem.key not in unread]
    if not found and _one_tree(tree, file):
        why = "expected another folder than general.base_path, which a test run must not touch"
        found = [yaml_lines.Problem(*marks["testing.base_path"][:2], "testing.base_path", why)]
    if found:
        head = f"{len(found)} problems in the configuration:\n" if len(found) > 1 else ""
        raise click.ClickException(head + "\n".join(map(str, sorted(found))))
    return tree, {key: file.name for key in mine.marks if own}


def _over(shipped: object, mine: object) -> object:
    """Mine over shipped: sections merge, lists replace, an empty section says nothing."""
    if isinstance(shipped, dict) and mine is None:
        return shipped
    if isinstance(shipped, dict) and isinstance(mine, dict):
        both = {key: _over(shipped[key], mine[key]) for key in shipped if key in mine}
        return {**shipped, **mine, **both}
    if isinstance(mine, list) and isinstance(shipped, list):
        # An exchange of a name that is shipped too may leave out what it does not change.
        named = {one["name"]: one for one in shipped if isinstance(one, dict)}
        return [_named(named, one) for one in mine]
    return mine


def _named(shipped: dict[str, dict], mine: object) -> object:
    name = mine["name"] if isinstance(mine, dict) and "name" in mine else None
    return {**shipped[name], **mine} if isinstance(name, str) and name in shipped else mine


def _one_tree(tree: dict, file: Path) -> bool:
    """Whether a test run would write into the lake's own data."""
    real, test = (_absolute(file.parent, tree[one]["base_path"]) for one in ("general", "testing"))
    return os.path.normcase(real) == os.path.normcase(test)


def _absolute(folder: Path, written: str) -> Path:
    return _plain(folder / Path(written).expanduser())


def _plain(path: Path) -> Path:
    """Absolute and without `..`; links stay: a lake lies where its config.yml seems to lie."""
    return Path(os.path.normpath(path.absolute()))


def _steps(key: str) -> list[str | int]:
    """The steps of a dotted key: exchanges[0].symbols → exchanges, 0, symbols."""
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", key)]


def _at(tree: object, key: str) -> object:
    for step in _steps(key):
        tree = tree[step]
    return tree


def _put(tree: dict, key: str, value: object) -> None:
    *above, last = _steps(key)
    for step in above:
        tree = tree[step]
    tree[last] = value


def _flat(value: object, key: str) -> dict[str, str]:
    """Dotted key → value as text, for every plain value and list of plain values below a key."""
    if isinstance(value, dict):
        return {k: v for name, one in value.items() for k, v in _flat(one, f"{key}.{name}").items()}
    if isinstance(value, list | tuple):
        return {key: ",".join(map(str, value))}
    return {
        key: "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    }
