"""Small settings for the methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from debias.data.sample import Sample
from debias.methods.base import Setting
from debias.model.network import Network
from debias.objective import Constraint, Objective
from tests.model import opened


@pytest.fixture
def setting() -> Callable[..., Setting]:
    """Return a maker of settings whose training rows are the selection rows unless told otherwise."""

    def make(
        network: Network,
        rows: Sample | None = None,
        train: Sample | None = None,
        *,
        metric: str = "statistical-parity",
        eps: float = 0.05,
        seed: int = 0,
        **objective: Any,
    ) -> Setting:
        rows = opened.drawn(network, 240) if rows is None else rows
        constraint = Constraint(metric, "a", eps)  # type: ignore[arg-type]
        return Setting(network, train or rows, rows, Objective(constraint, **objective), seed)

    return make
