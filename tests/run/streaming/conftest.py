"""What the tests of streamed tables share."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps of fewer points, which take most of the time of an audit of few rows; `test_acs` has all of them."""
    monkeypatch.setattr(import_module("debias.run.evidence.sweep"), "MOST", 25)
