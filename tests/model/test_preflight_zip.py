"""Archives that are broken, ambiguous or too large; damaged bytes."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from debias.errors import ModelError
from debias.model.archive import open_archive
from debias.model.preflight import entries
from debias.model.preflight.entries import read_entries, rebuild
from tests.model import hostile, nets


@pytest.fixture(scope="module")
def script() -> bytes:
    return hostile.torchscript(nn.Sequential(nn.Linear(nets.FEATURES, 4), nn.ReLU(), nn.Linear(4, 1)))


@pytest.fixture(scope="module")
def program() -> bytes:
    return hostile.exported(nets.build("batchnorm_after"))


def _refused(data: bytes, tmp_path: Path, text: str) -> None:
    """Refused with and without trust: nobody can vouch for a file that two readers read differently."""
    path = tmp_path / "m.pt"
    path.write_bytes(data)
    for trust in (False, True):
        with pytest.raises(ModelError, match=text):
            open_archive(path, trust=trust)
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]


def _rezipped(data: bytes, change: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for name, content in hostile.contents(data).items():
            archive.writestr(name, content)
        change(archive)
    return buffer.getvalue()


def test_a_rebuilt_archive_reads_the_same(script: bytes) -> None:
    found, problems = read_entries(script, "m.pt")
    assert found is not None and not problems
    again, problems = read_entries(rebuild(found.files), "m.pt")
    assert again is not None and not problems
    assert again.files == found.files
    assert again.root == "archive"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("archive/../evil.py", "leads out"),
        ("/etc/passwd", "leads out"),
        ("C:/windows", "leads out"),
        ("archive/a/../../b", "leads out"),
        ("archive\\code\\x.py", "not one that torch writes"),
        ("archive//x", "not one that torch writes"),
        ("archive/./x", "not one that torch writes"),
        ("archive/folder/", "not one that torch writes"),
        ("archive/\nx", "not one that torch writes"),
        ("archive/é", "not one that torch writes"),
        ("other/data.pkl", "outside the root folder"),
        ("data.pkl", "outside the root folder"),
        ("archive/data.pkl", "occurs twice"),
        ("archive/DATA.pkl", "occurs twice"),
    ],
)
def test_names(name: str, text: str, script: bytes, tmp_path: Path) -> None:
    _refused(_rezipped(script, lambda archive: archive.writestr(name, b"x")), tmp_path, text)


def test_every_bad_name_is_told_at_once(script: bytes, tmp_path: Path) -> None:
    def change(archive: zipfile.ZipFile) -> None:
        archive.writestr("archive/../a", b"")
        archive.writestr("elsewhere/b", b"")

    _refused(_rezipped(script, change), tmp_path, r"(?s)leads out.*outside the root")


def test_bombs(script: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bomb(archive: zipfile.ZipFile) -> None:
        archive.writestr("archive/extra/zeros", bytes(20 << 20), zipfile.ZIP_DEFLATED)

    _refused(_rezipped(script, bomb), tmp_path, "zip bomb")
    monkeypatch.setattr(entries, "MAX_TOTAL", 1000)
    _refused(script, tmp_path, "at most 1,000 are read")
    monkeypatch.setattr(entries, "MAX_ENTRIES", 3)
    _refused(script, tmp_path, "at most 3 are read")


def test_an_entry_that_lies_about_its_size(script: bytes, tmp_path: Path) -> None:
    data = bytearray(
        _rezipped(script, lambda a: a.writestr("archive/extra/zeros", bytes(1 << 22), zipfile.ZIP_DEFLATED))
    )
    # directory and header both say 64 bytes; unpacking stops there
    at = 0
    while (at := data.find(struct.pack("<I", 1 << 22), at)) >= 0:
        data[at : at + 4] = struct.pack("<I", 64)
    _refused(bytes(data), tmp_path, "do not end|announced")


def test_other_ways_of_packing(script: bytes, tmp_path: Path) -> None:
    _refused(hostile.packed(hostile.contents(script), zipfile.ZIP_BZIP2), tmp_path, "packed by method 12")


def test_encrypted(script: bytes, tmp_path: Path) -> None:
    data = bytearray(hostile.packed(hostile.contents(script)))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        start = archive.start_dir
    data[start + 8] |= 1
    data[6] |= 1
    _refused(bytes(data), tmp_path, "encrypted")


@pytest.mark.parametrize("where", ["before", "behind", "between", "comment"])
def test_hidden_bytes(where: str, script: bytes, tmp_path: Path) -> None:
    plain = hostile.packed(hostile.contents(script))
    if where == "before":
        data = b"PK\x03\x04 something else" + plain
    elif where == "behind":
        data = plain + b"payload"
    elif where == "comment":
        buffer = io.BytesIO(plain)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.comment = b"payload"
        data = buffer.getvalue()
    else:
        # move the directory back and hide bytes before it
        end = len(plain) - 22
        (start,) = struct.unpack_from("<I", plain, end + 16)
        tail = bytearray(plain[end:])
        struct.pack_into("<I", tail, 16, start + 7)
        data = plain[:start] + b"payload" + plain[start:end] + bytes(tail)
    _refused(data, tmp_path, "hidden bytes|bytes behind|broken")


def test_a_header_that_disagrees_with_the_directory(script: bytes, tmp_path: Path) -> None:
    plain = bytearray(hostile.packed(hostile.contents(script)))
    name_at = plain.index(b"archive/data.pkl")
    plain[name_at : name_at + 16] = b"archive/evil.pkl"
    _refused(bytes(plain), tmp_path, "names another file|broken")
    plain = bytearray(hostile.packed(hostile.contents(script)))
    plain[14:18] = b"abcd"  # the checksum in the first header
    _refused(bytes(plain), tmp_path, "disagrees")


def test_entries_that_overlap(script: bytes, tmp_path: Path) -> None:
    plain = bytearray(hostile.packed(hostile.contents(script)))
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        start = archive.start_dir
    second = plain.index(b"PK\x01\x02", start + 4)
    struct.pack_into("<I", plain, second + 42, 0)
    _refused(bytes(plain), tmp_path, "overlap|names another|broken")


@pytest.mark.parametrize("kind", ["script", "program"])
def test_cut_off_anywhere(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    data: bytes = request.getfixturevalue(kind)
    generator = random.Random(0)
    path = tmp_path / "m.pt"
    for length in [0, 1, 3, 21, 22, len(data) - 1, *(generator.randrange(len(data)) for _ in range(30))]:
        path.write_bytes(data[:length])
        for trust in (False, True):
            with pytest.raises(ModelError):
                open_archive(path, trust=trust)


@pytest.mark.parametrize("kind", ["script", "program"])
def test_damaged_anywhere(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """One to eight bits flipped: refused, or a file whose every entry is what it was."""
    data: bytes = request.getfixturevalue(kind)
    path = tmp_path / "m.pt"
    whole = hostile.contents(data)
    refused = 0
    for seed in range(80):
        generator = random.Random(seed)
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 8)):
            damaged[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            open_archive(path)
        except ModelError:
            refused += 1
        else:
            # the damage fell on padding or dates, which nothing reads
            assert hostile.contents(bytes(damaged)) == whole
    assert refused > 40


@pytest.mark.parametrize("kind", ["script", "program"])
def test_entries_changed_at_random_never_escape(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Right checksums, wrong content: refused, or loaded, or torch's own complaint as a ModelError."""
    data: bytes = request.getfixturevalue(kind)
    path = tmp_path / "m.pt"
    files = hostile.contents(data)
    texts = [name for name in files if name.endswith((".py", ".pkl", ".json", ".pt", "version", "debug_pkl"))]
    for seed in range(60):
        generator = random.Random(seed)
        name = generator.choice(texts)
        content = bytearray(files[name])
        for _ in range(generator.randint(1, 4)):
            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(hostile.packed(files | {name: bytes(content)}))
        try:
            loaded = open_archive(path).load()
        except ModelError:
            continue
        assert isinstance(loaded, torch.jit.ScriptModule | torch.export.ExportedProgram)
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]
