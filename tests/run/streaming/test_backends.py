"""Pieces of a table counted here and in processes: the same report, bit for bit. For Ray see `tests.test_jobs_ray`."""

from __future__ import annotations

from pathlib import Path

from tests.run.streaming.pieces import bits, in_pieces


def test_processes(tmp_path: Path) -> None:
    report = in_pieces(tmp_path)
    assert report.streaming is not None
    assert report.streaming.pieces == 6
    assert bits(in_pieces(tmp_path, workers=3)) == bits(report)
