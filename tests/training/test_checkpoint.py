"""Files of other things and other versions are refused, and nothing in one is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from debias.errors import ModelError
from debias.training.checkpoint import identity, read, write

STATE = {"numbers": torch.arange(3.0), "history": [{"epoch": 1, "events": ["x"], "eligible": True}], "best": {}}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path, belongs_to = tmp_path / "c", identity(kind="medl", seed=1)
    assert read(path, belongs_to) is None
    write(path, belongs_to, STATE)
    found = read(path, belongs_to)
    assert found is not None
    assert torch.equal(found.pop("numbers"), STATE["numbers"])
    assert found == {name: STATE[name] for name in ("history", "best")}


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04"])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is no checkpoint of a training"):
        read(path, identity())
    assert path.read_bytes() == content


def test_another_saved_tensor_and_a_cut_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    torch.save(torch.zeros(3), path)
    with pytest.raises(ModelError, match="is no checkpoint"):
        read(path, identity())
    write(path, identity(), STATE)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelError, match="is no checkpoint"):
        read(path, identity())


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_file_that_would_run_something_does_not(tmp_path: Path) -> None:
    path, trace = tmp_path / "c", tmp_path / "ran"
    torch.save({"identity": identity(), "state": _Runs(trace)}, path)
    with pytest.raises(ModelError, match="is no checkpoint"):
        read(path, identity())
    assert not trace.exists()


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    write(path, identity(seed=1) | {"torch": "1.0", "format": 0}, STATE)
    with pytest.raises(ModelError, match=rf"format 0, not 1; torch 1.0, not {torch.__version__}".replace("+", r"\+")):
        read(path, identity(seed=1))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read(tmp_path, identity())
