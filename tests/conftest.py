"""Fixtures that many tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import lakes
import pytest
from campaign import Campaign
from raw_answers import give_all
from sealed_lakes import compact, make_over


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, help="rounds of a campaign (default: as many as fit)")
    parser.addoption("--seed", type=int, default=1, help="seed of a campaign's first round")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long runs only where they are asked for."""
    if "soak" in (config.option.markexpr or ""):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="long run: ask for it with -m soak"))


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Iterator[Callable[[str, int], Campaign]]:
    """Starts a campaign of a name and a usual number of rounds, and prints what it met (-s)."""
    started: list[Campaign] = []

    def start(name: str, rounds: int) -> Campaign:
        asked = request.config.getoption("--rounds") or rounds
        started.append(Campaign(name, asked, request.config.getoption("--seed")))
        return started[-1]

    yield start
    for one in started:
        print(f"\n{one.table()}\n")


@pytest.fixture
def lake_folder(tmp_path: Path) -> Path:
    """A lake without data."""
    return lakes.make(tmp_path / "lake")


@pytest.fixture(scope="session")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built lake of two symbols over a midnight. Only look: tests that change it copy it."""
    folder = lakes.make_two_days(tmp_path_factory.mktemp("two_days") / "lake")
    lakes.bring(folder)
    return folder


@pytest.fixture(scope="session")
def answered(two_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with klines, macro minutes, fundings and open interest. Only look."""
    return give_all(copytree(two_days, tmp_path_factory.mktemp("answered") / "lake"))


@pytest.fixture(scope="session")
def sealed_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built lake whose first day is sealed. Only look: tests that change it copy it."""
    folder = make_over(tmp_path_factory.mktemp("sealed_day") / "lake")
    compact(folder)
    return folder
