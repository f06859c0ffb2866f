"""The audit of a table in several pieces, wherever these are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

import debias
from debias.data import batches
from debias.report.values.report import Report
from tests.run.streaming.world import FEATURES, Net, save, table, write

ASKED = {
    "attr": ["sex*race", "age"],
    "missing_attr": "group",
    "bins": "age=3",
    "weight": "w",
    "eps": 0.1,
    "confidence": 0.9,
    "label": "label",
    "positive": "yes",
    "features": FEATURES,
    "stream": True,
    "batch_rows": 64,
}


NUMBER = {"label": "score", "positive": None, "output_kind": "value", "eps": 0.5}
"""Asks for a regression of the same table instead."""


def in_pieces(place: Path, **how: Any) -> Report:
    """Return the report of a table of six pieces, which lies in the folder `place` or is put there."""
    model, data = place / "net.pt", place / "rows.parquet"
    if not model.exists():
        save(Net(nn.Sigmoid()), model)
        write(table(), data, 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "PIECE_ROWS", 150)
        return debias.audit(model, data, **ASKED | how)


def bits(report: Report) -> str:
    """Return a report as text, every number in all its digits, but for when and how it was made."""
    return report.model_copy(update={"created": None, "command": None}).model_dump_json()
