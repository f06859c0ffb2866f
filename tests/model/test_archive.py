"""Opening, loading and writing model files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import torch

from debias.errors import ModelError
from debias.model import archive
from debias.model.archive import open_archive, serialise
from tests.model import hostile, nets

SHARED = Path(__file__).parents[2].parent / "shared" / "models"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared folder is not beside the project")


def _bytes(name: str, form: str, train: bool) -> bytes:
    net = nets.build(name, train=train)
    buffer = io.BytesIO()
    if form == "scripted":
        torch.jit.save(nets.scripted(net), buffer)
    elif form == "traced":
        torch.jit.save(nets.traced(net), buffer)
    else:
        torch.export.save(nets.exported(net, dynamic=form == "dynamic"), buffer)
    return buffer.getvalue()


def _call(loaded: object, x: torch.Tensor) -> torch.Tensor:
    if isinstance(loaded, torch.jit.ScriptModule):
        result: torch.Tensor = loaded.eval()(x)
    else:
        assert isinstance(loaded, torch.export.ExportedProgram)
        result = loaded.module()(x)
    return result


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("form", ["scripted", "traced"])
@pytest.mark.parametrize("name", list(nets.ALL))
def test_every_torchscript_network_passes_and_is_written_as_it_was(
    name: str, form: str, train: bool, tmp_path: Path
) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(_bytes(name, form, train))
    opened = open_archive(path)
    assert (opened.format, opened.size, opened.trusted, opened.waived) == (
        "torchscript",
        path.stat().st_size,
        False,
        (),
    )
    loaded = opened.load()
    again = tmp_path / "again.pt"
    again.write_bytes(serialise(loaded, {"debias.json": '{"ä": 1}'}))
    reopened = open_archive(again)
    assert reopened.extra == {"debias.json": '{"ä": 1}'.encode()}
    assert _state(reopened.load()) == _state(loaded)
    if not (train and form == "traced"):
        x = nets.example(nets.build(name))
        assert torch.equal(_call(reopened.load(), x), nets.build(name)(x))


@pytest.mark.parametrize("form", ["dynamic", "static"])
@pytest.mark.parametrize("name", list(nets.ALL))
def test_every_exported_network_passes_and_is_written_as_it_was(name: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(_bytes(name, form, False))
    opened = open_archive(path)
    assert (opened.format, opened.static) == ("export", form == "static")
    loaded = opened.load()
    again = tmp_path / "again.pt2"
    again.write_bytes(serialise(loaded, {"debias.json": "{}", "note.txt": b"kept"}))
    reopened = open_archive(again)
    assert reopened.extra == {"debias.json": b"{}", "note.txt": b"kept"}
    x = nets.example(nets.build(name))
    with torch.no_grad():
        assert torch.equal(_call(reopened.load(), x), nets.build(name)(x))


def _state(loaded: object) -> dict[str, list[object]]:
    assert isinstance(loaded, torch.jit.ScriptModule)
    return {name: value.tolist() for name, value in loaded.state_dict().items()}


def test_plain_torch_loads_what_is_written(tmp_path: Path) -> None:
    for suffix, form in ((".pt", "scripted"), (".pt2", "dynamic")):
        path = tmp_path / f"m{suffix}"
        path.write_bytes(_bytes("batchnorm_after", form, False))
        path.write_bytes(serialise(open_archive(path).load(), {"debias.json": "{}"}))
        extra = {"debias.json": ""}
        if form == "scripted":
            torch.jit.load(path, _extra_files=extra)
        else:
            torch.export.load(path, extra_files=extra)
        assert extra["debias.json"] in ("{}", b"{}")


def test_loading_reads_the_path_no_more(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(_bytes("relu", "scripted", False))
    opened = open_archive(path)
    path.write_bytes(b"something else by now")
    assert isinstance(opened.load(), torch.jit.ScriptModule)


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "m.pt"
    path.write_bytes(_bytes("relu", "traced", False))
    assert open_archive(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_state_names_and_example_inputs_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(_bytes("layernorm_after", "dynamic", False))
    loaded = open_archive(path).load()
    assert isinstance(loaded, torch.export.ExportedProgram)
    assert set(loaded.state_dict) == set(nets.build("layernorm_after").state_dict())
    assert loaded.example_inputs[0][0].shape == (16, nets.FEATURES)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "empty"),
        (b"not a model", "no zip"),
        (b"\x80\x02}q\x00.", "bare pickle"),
    ],
)
def test_what_is_no_archive_is_refused_with_trust_too(content: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(content)
    for trust in (False, True):
        with pytest.raises(ModelError, match=text):
            open_archive(path, trust=trust)


def test_missing_directory_and_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no such file"):
        open_archive(tmp_path / "missing.pt")
    with pytest.raises(ModelError, match="directory"):
        open_archive(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        open_archive("a\0b")
    path = tmp_path / "m.pt"
    path.write_bytes(_bytes("relu", "scripted", False))
    monkeypatch.setattr(archive.entries, "MAX_FILE", 100)
    with pytest.raises(ModelError, match="at most 100 are read"):
        open_archive(path)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "m.pt"
    path.write_bytes(b"PK")
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(ModelError, match="no permission"):
        open_archive(path)


def test_other_files_of_torch_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    torch.save(nets.build("relu").state_dict(), path)
    with pytest.raises(ModelError, match=r"torch\.save file.*\n.*torch\.jit\.script"):
        open_archive(path)
    torch.save(nets.build("relu").state_dict(), path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match="bare pickle"):
        open_archive(path)
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("m/model.json", "{}")
        out.writestr("m/code/m.py", "")
    with pytest.raises(ModelError, match="old layout"):
        open_archive(path)
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("m/serialized_exported_program.json", "{}")
    with pytest.raises(ModelError, match="old layout"):
        open_archive(path)


def test_frozen_and_embedding_files_pass_so_that_their_own_reason_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    frozen = torch.jit.freeze(nets.scripted(nets.build("batchnorm_after")))
    torch.jit.save(frozen, path)
    assert isinstance(open_archive(path).load(), torch.jit.ScriptModule)
    path.write_bytes(hostile.torchscript(torch.nn.Sequential(torch.nn.Embedding(9, 3), torch.nn.Linear(3, 1))))
    assert isinstance(open_archive(path).load(), torch.jit.ScriptModule)


def test_trust_is_recorded_with_what_it_waived(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(hostile.torchscript(hostile.Loops()))
    with pytest.raises(ModelError, match="while loop"):
        open_archive(path)
    opened = open_archive(path, trust=True)
    assert opened.trusted
    assert "while loop" in str(opened.waived[0])
    assert isinstance(opened.load(), torch.jit.ScriptModule)


def test_what_torch_cannot_load_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    data = _bytes("relu", "scripted", False)
    path.write_bytes(hostile.edited(data, "archive/version", lambda _: b"99999"))
    with pytest.raises(ModelError, match="cannot load it"):
        open_archive(path).load()


@needs_shared
@pytest.mark.parametrize("name", ["adult_42", "bank_42", "compas_42"])
def test_published_models_need_no_trust(name: str) -> None:
    assert not open_archive(SHARED / f"{name}.pt").waived
