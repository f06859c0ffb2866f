"""Pieces of a table counted here and in processes: the same report, bit for bit. For Ray see `tests.test_jobs_ray`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.run.streaming.pieces import NUMBER, bits, in_pieces


@pytest.mark.parametrize("asked", [{}, NUMBER], ids=["decisions", "numbers"])
def test_processes(tmp_path: Path, asked: dict[str, Any]) -> None:
    report = in_pieces(tmp_path, **asked)
    assert report.streaming is not None
    assert report.streaming.pieces == 6
    assert (report.before.r2 is None) == (not asked)
    assert bits(in_pieces(tmp_path, workers=3, **asked)) == bits(report)
