"""Fixtures that many tests share."""

from pathlib import Path

import lakes
import pytest


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
