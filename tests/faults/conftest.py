from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.forge import Forge
from tests.faults.verbs import world


@pytest.fixture(scope="package")
def forge() -> Iterator[Forge]:
    """Start the process that runs are forked from."""
    with Forge() as found:
        yield found


@pytest.fixture(scope="package")
def made(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the verbs read; it stays as it is."""
    return world(tmp_path_factory.mktemp("faults"), forge)


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(made, tmp_path / "place")
