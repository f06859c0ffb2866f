"""Hostile model files at the door: each is refused with its line, and nothing of it runs."""

from __future__ import annotations

import hashlib
import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from debias.errors import DebiasError
from debias.model.archive import open_archive
from debias.model.network import Network
from tests.hostile import archives
from tests.hostile.corpus import Traps, corpus, listener

HARD_TO_MAKE = ("bomb_many.pt", "bomb_nested.pt")
"""Files that take seconds to make; the benchmark has them."""


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Traps, object]]:
    with listener() as (port, called):
        yield Traps(tmp_path_factory.mktemp("elsewhere") / "canary", port), called


def test_every_file_is_refused_with_its_line(tmp_path: Path, traps: tuple[Traps, object]) -> None:
    told, called = traps
    wrong = []
    for item in corpus(told, damaged=40):
        if not item.says or item.name in HARD_TO_MAKE:
            continue  # what passes is held by the limits of a process: tests/hostile/test_fleet.py
        path = tmp_path / item.name
        item.make(path)
        start = time.monotonic()
        try:
            Network.open(path)
            wrong.append(f"{item.name!r} was opened")
        except DebiasError as error:
            if not re.search(item.says, str(error)):
                wrong.append(f"{item.name!r}: {error}")
            if len(str(error)) > 50_000:
                wrong.append(f"{item.name!r}: a message of {len(str(error)):,} characters")
        assert time.monotonic() - start < 60, f"{item.name!r} hangs"
    assert not wrong, "\n".join(wrong)
    assert not told.file.exists()
    assert callable(called) and not called()


def test_the_traps_are_traps(tmp_path: Path, traps: tuple[Traps, object]) -> None:
    told, _ = traps
    items = {item.name: item for item in corpus(told, damaged=0)}
    assert len(items) > 140
    for name in ("setstate.pt", "size_open.pt2"):
        path = tmp_path / name
        items[name].make(path)
        try:
            open_archive(path, trust=True).load()
        except DebiasError as error:
            assert "cannot load it" in str(error)  # too late: it ran
        assert told.file.exists(), name
        told.file.unlink()


def test_the_plain_network_under_them_is_one(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(archives.script())
    network = Network.open(path)
    rows = torch.randn(5, 6)
    assert network.call({network.inputs[0].name: rows}).allclose(archives.plain()(rows))
    assert Network.open(_written(tmp_path / "m.pt2", archives.export())).layers


def test_the_corpus_is_the_same_every_time(tmp_path: Path, traps: tuple[Traps, object]) -> None:
    found = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        for item in corpus(traps[0], damaged=8):
            if item.kind in ("damage", "time", "numbers"):
                item.make(folder / item.name)
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert found[0] == found[1]
    assert len(found[0]) >= 40


def test_what_a_network_warns_of_stays_in_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = _written(tmp_path / "m.pt", archives.forward(['torch.warn("\\033]0;owned\\007", 2)']))
    network = Network.open(path)
    network.call({network.inputs[0].name: torch.randn(3, 6)})
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_file_is_read_once(tmp_path: Path) -> None:
    # what is loaded is what was checked, also where the file changes in between
    path = _written(tmp_path / "m.pt", archives.script())
    archive = open_archive(path)
    path.write_bytes(b"something else")
    rows = torch.randn(5, 6)
    assert archive.load()(rows).allclose(archives.plain()(rows))  # type: ignore[operator]
    assert archive.sha256 == hashlib.sha256(archives.script()).hexdigest()


def test_a_long_directory_takes_no_memory(tmp_path: Path, traps: tuple[Traps, object]) -> None:
    item = next(item for item in corpus(traps[0], damaged=0) if item.name == "long_directory.pt")
    item.make(tmp_path / item.name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DebiasError, match="a directory of"):
        open_archive(tmp_path / item.name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 << 10, "200,000 lines were read"


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
