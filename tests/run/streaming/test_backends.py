"""Pieces of a table counted here, in processes and on Ray: the same report, bit for bit."""

from __future__ import annotations

from pathlib import Path

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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("pieces")
    return save(Net(nn.Sigmoid()), place / "net.pt"), write(table(), place / "rows.parquet", 100)


def bits(report: Report) -> str:
    """Return a report as text, every number in all its digits, but for when and how it was made."""
    return report.model_copy(update={"created": None, "command": None}).model_dump_json()


@pytest.fixture(scope="module")
def serial(files: tuple[Path, Path]) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "PIECE_ROWS", 150)
        report = debias.audit(*files, **ASKED)
    assert report.streaming is not None
    assert report.streaming.pieces == 6
    return report


def test_processes(files: tuple[Path, Path], serial: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PIECE_ROWS", 150)
    assert bits(debias.audit(*files, workers=3, **ASKED)) == bits(serial)
