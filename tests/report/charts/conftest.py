"""Charts that several tests look at, drawn once."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from debias.report.charts import Chart, charts_of
from tests.kept import kept
from tests.report.charts import values


@pytest.fixture(scope="session")
def drawn() -> dict[str, tuple[Chart, ...]]:
    """Return the charts of a value of every kind, by name."""

    def draw(path: Path) -> None:
        path.write_bytes(pickle.dumps({name: charts_of(value) for name, value in values.every().items()}))

    found: dict[str, tuple[Chart, ...]] = pickle.loads(kept("charts", draw).read_bytes())
    return found


@pytest.fixture(scope="session")
def large() -> tuple[Chart, ...]:
    """Return the charts of a repair as large as they come."""
    return charts_of(values.large())


@pytest.fixture(scope="session")
def hostile() -> tuple[Chart, ...]:
    """Return the charts of a repair whose every name was chosen by others."""
    return charts_of(values.hostile())
