"""The seal of a file, against digests taken with hashlib and zipfile alone."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from debias.contract import Contract, Output, write_document
from debias.errors import ContractError
from debias.model import seal
from debias.model.archive import archive_of, open_archive, serialise
from debias.model.seal import Broken
from tests.model import nets, opened

RECORD = {"method": "none", "seed": 3, "figures": {"after": {"bias": 0.1}}}
CONTRACT = Contract(label="y", output=Output(threshold=0.4))


def sealed(name: str, form: str, path: Path) -> Path:
    archive = open_archive(opened.path(name, form))
    extra = {**archive.extra, "notes.txt": "kept"}
    path.write_bytes(seal.sealed(archive.load(), extra, CONTRACT, RECORD))
    return path


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def told(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(entries(path)["extra/debias.json"])["record"]["seal"]
    return found


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("name", ["relu", "batchnorm_before", "double"])
def test_a_file_agrees_with_its_own_seal(name: str, form: str, tmp_path: Path) -> None:
    path = sealed(name, form, tmp_path / "m")
    found = seal.broken(open_archive(path))
    assert found == dict.fromkeys(seal.PARTS, Broken())
    assert not any(found.values())


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
def test_digests_are_those_of_hashlib(form: str, tmp_path: Path) -> None:
    path = sealed("batchnorm_before", form, tmp_path / "m")
    found, inside = told(path), entries(path)
    document = json.loads(inside["extra/debias.json"])
    state = open_archive(path).load().state_dict
    for name, value in (state() if callable(state) else state).items():
        numbers = value.flatten().tolist()
        kind = {torch.float32: "f", torch.int64: "q"}[value.dtype]
        raw = f"{value.dtype} {list(value.shape)} ".encode() + struct.pack(f"<{len(numbers)}{kind}", *numbers)
        assert found["tensors"][name] == sha(raw)
    for name, digest in found["entries"].items():
        if name != "data/sample_inputs/model.pt":  # an archive of its own, which torch gets rebuilt
            assert digest == sha(inside[name])
    left_out = set(inside) - set(found["entries"])
    assert left_out == {"extra/debias.json", ".data/serialization_id"}
    assert found["contract"].keys() == document["contract"].keys() > {"label", "output"}
    assert found["contract"]["label"] == sha(b'"y"')
    assert found["record"] == {
        "method": sha(b'"none"'), "seed": sha(b"3"), "figures": sha(b'{"after":{"bias":0.1}}'),
    }  # fmt: skip


def test_types_that_numpy_lacks_and_empty_tensors_have_digests() -> None:
    values = [
        torch.zeros(0),
        torch.zeros(0, 3),
        torch.tensor(1.5),
        torch.ones(2, 3, dtype=torch.bfloat16),
        torch.tensor([True, False]),
        torch.arange(6).reshape(2, 3).T,
    ]
    found = [seal.tensor_digest(value) for value in values]
    assert len(set(found)) == len(values)
    assert found == [seal.tensor_digest(value.clone()) for value in values]
    assert seal.tensor_digest(torch.zeros(2)) != seal.tensor_digest(torch.tensor([0.0, -0.0]))


def test_what_differs_is_named(tmp_path: Path) -> None:
    path = sealed("relu", "scripted", tmp_path / "m")
    document = json.loads(entries(path)["extra/debias.json"])
    document["contract"]["output"]["threshold"] = 0.9
    document["contract"]["positive"] = "1"
    document["record"]["seed"] = 4
    del document["record"]["figures"]
    document["surprise"] = True
    module = torch.jit.load(path)
    parameter, value = next(iter(module.named_parameters()))
    with torch.no_grad():
        value.view(-1)[0] += 1
    module.save(str(path), _extra_files={"debias.json": json.dumps(document), "notes.txt": "other", "more": "x"})
    found = seal.broken(open_archive(path))
    assert found is not None
    assert found["tensors"] == Broken(changed=(parameter,))
    assert found["contract"] == Broken(changed=("output",), added=("positive",))
    assert found["record"] == Broken(changed=("seed",), added=("surprise",), removed=("figures",))
    changed = set(found["entries"].changed)
    # torch pickles a module otherwise than before once Python has touched its tensors
    assert {name for name in changed if not name.startswith("data/")} - {"data.pkl"} == {"extra/notes.txt"}
    assert [name for name in changed if seal.is_number_entry(name)] == [name for name in changed if "data/" in name]
    assert found["entries"].added == ("extra/more",)


def test_numbers_that_no_name_tells_are_sealed_too(tmp_path: Path) -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(nets.FEATURES, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(self.layer(x) + self.shift(x)).squeeze(1)

        def shift(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_zeros(1)

    net = Constant()
    shift = torch.tensor([0.25])
    net.shift = lambda _: shift  # type: ignore[method-assign]
    path = opened.save(net.eval(), tmp_path / "m.pt", "traced")
    path.write_bytes(seal.sealed(open_archive(path).load(), {}, None, RECORD))
    assert not any((seal.broken(open_archive(path)) or {"": Broken(("x",))}).values())
    with zipfile.ZipFile(path) as file:
        constants = [name for name in file.namelist() if "/constants/" in name and file.read(name)]
    assert len(constants) == 1
    inside = entries(path)
    name = constants[0].split("/", 1)[1]
    inside[name] = struct.pack("<f", 0.5)
    with zipfile.ZipFile(path, "w") as file:
        for entry, data in inside.items():
            file.writestr(f"archive/{entry}", data)
    found = seal.broken(open_archive(path))
    assert found is not None
    assert found["tensors"] == Broken()
    assert found["entries"].changed == (name,)
    assert seal.is_number_entry(name)


def test_no_seal_and_a_seal_of_another_kind() -> None:
    archive = open_archive(opened.path("relu", "scripted"))
    plain = serialise(archive.load(), {"debias.json": write_document(None, RECORD)})
    assert seal.broken(archive_of(plain, Path("m.pt"))) is None
    for other in ({"digest": "md5"}, "x", {"digest": "sha256", "tensors": []}):
        text = write_document(None, {**RECORD, "seal": other})
        strange = archive_of(serialise(archive.load(), {"debias.json": text}), Path("m.pt"))
        with pytest.raises(ContractError, match="seal"):
            seal.broken(strange)
