"""TorchScript files that try something, and the allowlist."""

from __future__ import annotations

import io
import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from debias.errors import ModelError
from debias.model.archive import open_archive
from debias.model.preflight import allowlist, pickles
from debias.model.preflight.check import check
from tests.model import hostile, nets

LINEAR = r"modules/linear(/___torch_mangle_\d+)?\.py"


def _found(data: bytes) -> str:
    return "\n".join(str(reason.problem) for reason in check(data, "m.pt").reasons)


def _plain() -> bytes:
    return hostile.torchscript(nn.Sequential(nn.Linear(nets.FEATURES, 1), nn.Sigmoid()))


def _edited(old: str, new: str) -> bytes:
    data = _plain()
    return hostile.replaced(data, hostile.entry(data, LINEAR), old, new)


def _refused(data: bytes, tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=text):
        open_archive(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.pt"], "something was written"


def test_the_allowlist_holds_every_call_of_the_supported_networks() -> None:
    used: set[str] = set()
    for name in nets.ALL:
        for train in (False, True):
            net = nets.build(name, train=train)
            for module in (nets.scripted(net), nets.traced(net)):
                buffer = io.BytesIO()
                torch.jit.save(module, buffer)
                for entry, content in hostile.contents(buffer.getvalue()).items():
                    if entry.endswith(".py"):
                        text = re.sub(r"__torch__[\w.]*", "", content.decode())
                        used.update(re.findall(r"\b((?:torch|ops)\.[\w.]+)\(", text))
    torch_calls = {call[6:] for call in used if call.startswith("torch.")}
    ops_calls = {call[4:] for call in used if call.startswith("ops.")}
    assert len(torch_calls) > 40
    assert torch_calls <= allowlist.TORCHSCRIPT
    assert ops_calls <= allowlist.TORCHSCRIPT_OPS


@pytest.mark.parametrize(
    "name",
    ["save", "from_file", "set_", "resize_", "as_strided", "load", "set_data", "_unsafe_view", "fork", "data_ptr"],
)
def test_operators_with_a_reach_are_not_on_the_list(name: str) -> None:
    assert name not in allowlist.TORCHSCRIPT | allowlist.EXPORT_ATEN
    assert f"aten.{name}" not in allowlist.TORCHSCRIPT_OPS


def test_setstate_never_runs(tmp_path: Path) -> None:
    target = tmp_path / "written"
    data = hostile.torchscript(hostile.SetState(str(target)))
    assert not target.exists()
    _refused(data, tmp_path, r"__setstate__ runs when the file is loaded")
    open_archive(tmp_path / "m.pt", trust=True).load()
    assert target.exists(), "the trap is no trap: nothing was tested"
    found = _found(data)
    assert "__getstate__" in found
    assert re.search(r"hostile\.py, line \d+", found)
    assert "torch.save" in found


@pytest.mark.parametrize(("kind", "text"), [(hostile.Saves, r"torch\.save"), (hostile.Reads, r"torch\.from_file")])
def test_forward_that_touches_files(kind: type[nn.Module], text: str, tmp_path: Path) -> None:
    _refused(hostile.torchscript(kind(str(tmp_path / "written"))), tmp_path, text)


def test_a_loop_without_a_bound(tmp_path: Path) -> None:
    _refused(hostile.torchscript(hostile.Loops()), tmp_path, "while loop")


def test_fields_methods_and_bounded_loops_are_fine() -> None:
    assert _found(hostile.torchscript(hostile.Remembers())) == ""


def test_quantised_layers_are_named(tmp_path: Path) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = torch.ao.quantization.quantize_dynamic(nets.build("relu"), {nn.Linear})
        data = hostile.torchscript(net)
    _refused(data, tmp_path, r"(?s)native code \(torch\.classes\.quantized.*use the file it was quantised from")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("torch.linear(input, weight, bias)", 'torch.save(input, "x")', "torch.save"),
        ("torch.linear(input, weight, bias)", 'ops.aten.save(input, "x")', "ops.aten.save"),
        ("torch.linear(input, weight, bias)", 'ops.prim.CudaFusionGroup(input)', "ops.prim.CudaFusionGroup"),
        ("torch.linear(input, weight, bias)", 'ops.custom.run(input)', "ops.custom.run"),
        ("torch.linear(input, weight, bias)", 'input.save("x")', "'save' of something"),
        ("torch.linear(input, weight, bias)", 'getattr(input, "save")("x")', "computed function"),
        ("torch.linear(input, weight, bias)", 'getattr(input, "sa" + "ve")', "computed name"),
        ("torch.linear(input, weight, bias)", '(self).save("x")', "'save' of something"),
        ("    return torch", "    f = torch.save\n    _0 = f(input, 'x')\n    return torch", "torch.save"),
        ("    return torch", "    f = input.save\n    _0 = f('x')\n    return torch", "'save' of something"),
        ("    return torch", "    t = torch\n    _0 = t.save(input, 'x')\n    return torch", "the name torch"),
        ("    return torch", "    torch = self\n    return torch", "another meaning"),
        ("    return torch", "    getattr = self\n    return torch", "another meaning"),
        ("    input: Tensor)", "    getattr: Tensor)", "another meaning"),
        ("    return torch", "    print(input)\n    return torch", "print"),
        ("    return torch", "    open('x')\n    return torch", "open"),
        ("    return torch", "    x = fork(self.forward, input)\n    return torch", "fork"),
        ("    return torch", "    import os\n    return torch", "import"),
        ("    return torch", "    x = lambda: 1\n    return torch", "Lambda"),
        ("    return torch", "    x = [torch for y in input]\n    return torch", "ListComp"),
        ("    return torch", "    x = f'{input}'\n    return torch", "JoinedStr"),
        ("    return torch", "    with torch: pass\n    return torch", "with"),
        ("    return torch", "    for i in range(999999999):\n      pass\n    return torch", "short range"),
        ("    return torch", "    for i in input:\n      pass\n    return torch", "short range"),
        ("    return torch", "    x = __torch__.torch.classes.dnnl.Thing(1)\n    return torch", "native code"),
        ("    return torch", "    x = __torch__.elsewhere.run(1)\n    return torch", "elsewhere"),
        ("  weight : Tensor", "  weight : __torch__.torch.classes.other.Thing", "native code"),
        ("  weight : Tensor", "  weight : __torch__.missing.Thing", "not in the file"),
        ("class Linear(Module):", "import os\nclass Linear(Module):", "outside of classes"),
        ("class Linear(Module):", "@torch.save\nclass Linear(Module):", "neither a Module"),
        ("class Linear(Module):", "class Linear(Interface):", "neither a Module"),
        ("  def forward", "  def __setstate__(self):\n    pass\n  def forward", "__setstate__"),
        ("    return torch", "    # a remark\n    return torch", "a comment"),
        ("    return torch", "    x = 1 + \\\n2\n    return torch", "characters"),
        ("    return torch", "\treturn torch", "characters"),
        ("    return torch", "    ｔ = 1\n    return torch", "ascii"),
        ("    return torch", "    return (((", "not program text"),
        ("    return torch", "    x = " + "(" * 500 + "1" + ")" * 500 + "\n    return torch", "not program text"),
        ("    return torch", "    x = " + "-" * 3000 + "1\n    return torch", "not program text|too deep"),
    ],
)  # fmt: skip
def test_edited_program_text(old: str, new: str, text: str, tmp_path: Path) -> None:
    _refused(_edited(old, new), tmp_path, text)


def test_a_name_with_two_meanings_has_no_methods() -> None:
    # `layer` is a Linear in one branch only: its class cannot be relied on
    lines = ("layer = input", "layer = self", "x = (layer).forward(input, )", "return torch")
    assert "'forward' of something" in _found(_edited("    return torch", "\n".join(f"    {line}" for line in lines)))
    found = _found(_edited("    return torch", "\n".join(f"    {line}" for line in lines[1:])))
    assert "a function that calls itself" in found and "'forward' of something" not in found


def test_all_reasons_at_once_each_once() -> None:
    text = "".join(f"    torch.save(input, {n})\n    torch.from_file({n})\n" for n in range(5))
    found = _found(_edited("    return torch", f"{text}    return torch"))
    assert "torch.save" in found and "torch.from_file" in found
    assert found.count("torch.save") == 1
    assert "(and 4 more)" in found


class _Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch written",)


@pytest.mark.parametrize("entry", [r"data\.pkl", r"constants\.pkl", LINEAR + r"\.debug_pkl"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_with_a_command(entry: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    payload = pickle.dumps(_Exploit(), protocol=protocol)
    data = _plain()
    _refused(hostile.edited(data, hostile.entry(data, entry), lambda _: payload), tmp_path, r"pickle (calls for|uses)")


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x80\x02}.tail", "behind the end"),
        (b"\x80\x02}", "broken"),
        (b"", "broken"),
        (b"\x80\x02cos\nsystem\n.", r"calls for os\.system"),
        (b"\x80\x02(S'os'\ntR.", "STRING"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "beyond their count"),
        (b"\x80\x02" + b")" + b"\x85" * 5000 + b".", "nested"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.", "broken"),
        (b"\x80\x02c__torch__.torch.classes.x\nY\n.", r"torch\.classes"),
    ],
)
def test_broken_and_odd_pickles(payload: bytes, text: str, tmp_path: Path) -> None:
    _refused(hostile.edited(_plain(), "archive/data.pkl", lambda _: payload), tmp_path, text)


def test_tensors_that_reach_beyond_their_data(tmp_path: Path) -> None:
    data = _plain()
    _refused(hostile.edited(data, "archive/data/0", lambda content: content[:-4]), tmp_path, "holds 20 bytes")
    # the weight is [1, 6]; BININT1 6 stands for its size and its count
    grown = hostile.edited(data, "archive/data.pkl", lambda content: content.replace(b"(K\x01K\x06t", b"(K\x7fK\x06t"))
    found = _found(grown)
    assert "a tensor of shape (127, 6) reaches beyond data/0" in found
    gone = hostile.contents(data)
    del gone["archive/data/0"]
    _refused(hostile.packed(gone), tmp_path, "are missing")


def test_unknown_entries_and_mobile_code(tmp_path: Path) -> None:
    files = hostile.contents(_plain())
    for name in ("archive/bytecode.pkl", "archive/code/run.sh", "archive/data/../../x", "archive/surprise"):
        _refused(hostile.packed(files | {name: b"x"}), tmp_path, "no TorchScript file has|leads out")


def test_the_scan_knows_only_the_classes_of_the_file() -> None:
    content = hostile.contents(_plain())["archive/data.pkl"]
    assert any(
        "calls for __torch__" in text for text in pickles.scan(content, pickles.TORCHSCRIPT_GLOBALS.__contains__)
    )
