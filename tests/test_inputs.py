"""Reading with a bound: all of a file, one byte more than allowed, and no more set aside than the file holds."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from debias.inputs import read_at_most, read_input


@pytest.mark.parametrize(
    ("size", "most", "read"), [(0, 5, 0), (5, 5, 5), (6, 5, 6), (9, 5, 6), (3 << 20, 4 << 20, 3 << 20)]
)
def test_a_file(tmp_path: Path, size: int, most: int, read: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    assert read_input(tmp_path / "file", most) == content[:read]


def test_a_pipe_in_pieces() -> None:
    end, other = os.pipe()
    content = os.urandom(40_000)
    with os.fdopen(other, "wb") as writer:
        writer.write(content)
    with os.fdopen(end, "rb") as stream:
        assert read_at_most(stream, 30_000) == content[:30_001]


def test_a_large_bound_sets_nothing_aside(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"few")
    tracemalloc.start()
    try:
        assert read_input(tmp_path / "file", 1 << 31) == b"few"
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
