"""Exported programs that try something, and the grammars of their expressions."""

from __future__ import annotations

import io
import json
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from debias.errors import ModelError
from debias.model.archive import open_archive, serialise
from debias.model.preflight import allowlist
from debias.model.preflight.check import check
from debias.model.preflight.expressions import guard_problem, size_problem
from tests.model import hostile, nets

MODEL = "archive/models/model.json"
WEIGHTS = "archive/data/weights/model_weights_config.json"
SAMPLE = "archive/data/sample_inputs/model.pt"


@pytest.fixture(scope="module")
def program() -> bytes:
    return hostile.exported(nets.build("layernorm_after"))


def _found(data: bytes) -> str:
    return "\n".join(str(reason.problem) for reason in check(data, "m.pt2").reasons)


def _refused(data: bytes, tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=text):
        open_archive(path)
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt2"], "something was written"


def _json(data: bytes, change: Callable[[Any], None], entry: str = MODEL) -> bytes:
    def edit(content: bytes) -> bytes:
        document = json.loads(content)
        change(document)
        return json.dumps(document).encode()

    return hostile.edited(data, entry, edit)


def _set(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


GRAPH = ("graph_module", "graph")
NODE = (*GRAPH, "nodes", 0)
CALL = ("graph_module", "module_call_graph", 0, "signature")
CODE = "__import__('os').system('touch written')"
ENUM = '[1, {"type": "builtins.dict", "context": "{\\"__enum__\\": 1}", "children_spec": []}]'
SYMBOL = b"Symbol('s77', positive=True, integer=True)"
LAMBDA = "(lambda: 1)()"


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ((*GRAPH, "tensor_values", "x", "sizes", 0), {"as_expr": {"expr_str": CODE, "hint": None}}, "expression of"),
        ((*GRAPH, "tensor_values", "x", "sizes", 0), {"as_expr": {"expr_str": LAMBDA, "hint": None}}, "expression of"),
        ((*GRAPH, "tensor_values", "x", "sizes", 0), {"as_int": CODE}, "a number belongs"),
        ((*GRAPH, "sym_int_values", "a"), {"as_expr": {"expr_str": CODE}}, "expression of sizes"),
        ((*GRAPH, "tensor_values", "x; import os"), {}, "not a name"),
        ((*GRAPH, "inputs", 0), {"as_tensor": {"name": "x): import os #"}}, "not a name"),
        ((*GRAPH, "custom_obj_values", "a"), {"name": "a", "class_fqn": "b"}, "other than tensors"),
        ((*NODE, "name"), "x = __import__('os')", "not a name"),
        ((*NODE, "target"), "torch.ops.aten.from_file.default", "not on the list"),
        ((*NODE, "target"), "torch.ops.aten.save.default", "not on the list"),
        ((*NODE, "target"), "torch.ops.higher_order.cond", "not on the list"),
        ((*NODE, "target"), "torch.load", "not on the list"),
        ((*NODE, "target"), "_operator.call", "not on the list"),
        ((*NODE, "target"), "math.sqrt", "not on the list"),
        ((*NODE, "target"), "torch.ops.aten.relu.default.__class__", "not on the list"),
        ((*NODE, "inputs", 0, "arg"), {"as_operator": "torch.load"}, "not plain tensor arithmetic"),
        ((*NODE, "inputs", 0, "arg"), {"as_graph": {"name": "g"}}, "not plain tensor arithmetic"),
        ((*NODE, "inputs", 0, "arg"), {"as_custom_obj": {"name": "g", "class_fqn": "x"}}, "not plain tensor"),
        ((*NODE, "inputs", 0, "arg"), {"as_string": "a\x00b"}, "unusual characters"),
        ((*NODE, "metadata", "nn_module_stack"), 'a,b"),__import__("os"),c', "unusual characters"),
        ((*NODE, "metadata", "new"), "x", "unknown remark"),
        ((*NODE, "metadata", "custom"), "{", "no JSON"),
        ((*NODE, "metadata", "torch_fn"), 3, "no text"),
        ((*NODE, "surprise"), "x", "unknown field"),
        (("range_constraints", CODE), {"min_val": 0, "max_val": None}, "expression of sizes"),
        (("guards_code",), [CODE], "expression of sizes"),
        (("guards_code",), ["L['x'].size()[0] > 1 and " + CODE], "expression of sizes"),
        (("verifiers",), ["a b"], "not a name"),
        (("opset_version", "a b"), 1, "not a name"),
        (("torch_version",), "2\n", "not a version"),
        (("graph_module", "treespec_namedtuple_fields", "os.system"), {"field_names": ["a"]}, "other than tensors"),
        (("graph_module", "signature", "input_specs", 0), {"custom_obj": {}}, "unknown field"),
        (("graph_module", "signature", "input_specs", 0, "parameter", "parameter_name"), 'a")', "not a name"),
        ((*CALL, "in_spec"), '[1, {"type": "os.system", "context": "null", "children_spec": []}]', "nests a os.system"),
        ((*CALL, "in_spec"), '[1, {"type": "builtins.dict", "context": "[\\"a b\\"]", "children_spec": []}]', "keys"),
        ((*CALL, "in_spec"), '[1, {"type": null, "context": "{\\"__enum__\\": true}", "children_spec": []}]', "keys"),
        ((*CALL, "out_spec"), ENUM, "keys"),
        ((*CALL, "in_spec"), "[2, {}]", "no nesting"),
        ((*CALL, "in_spec"), "x", "no nesting"),
        ((*CALL, "forward_arg_names"), ["x, y=__import__('os')"], "not a name"),
        (("graph_module", "module_call_graph", 0, "fqn"), "a'b", "not the path"),
        ((*GRAPH, "nodes"), [[[[]]]] , ""),
    ],
)  # fmt: skip
def test_edited_graphs(path: tuple[Any, ...], value: Any, text: str, program: bytes, tmp_path: Path) -> None:
    data = _json(program, _set(*path, value=value))
    if text:
        _refused(data, tmp_path, text)
    else:
        (tmp_path / "m.pt2").write_bytes(data)
        with pytest.raises(ModelError):
            open_archive(tmp_path / "m.pt2").load()


def test_an_expression_with_code_never_runs(program: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "open('written', 'w').close()"
    data = hostile.edited(program, MODEL, lambda c: c.replace(SYMBOL, code.encode()))
    _refused(data, tmp_path, r"models/model\.json.*\(and \d+ more\)")


class _Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch written",)


def _saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def test_pickled_parts(program: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _refused(hostile.edited(program, SAMPLE, lambda _: _saved((_Exploit(),))), tmp_path, r"calls for posix\.system")
    _refused(hostile.edited(program, SAMPLE, lambda _: pickle.dumps(_Exploit())), tmp_path, "zip is broken")
    script = hostile.torchscript(hostile.SetState(str(tmp_path / "written")))
    _refused(hostile.edited(program, SAMPLE, lambda _: script), tmp_path, "no torch.save file of tensors has")
    files = hostile.contents(program)
    for name, text in (
        ("data/constants/opaque_obj_0", "object in a pickle"),
        ("data/constants/custom_obj_0", "object in a pickle"),
        ("data/constants/model.pt", "weights in a pickle"),
        ("data/weights/model.pt", "weights in a pickle"),
        ("data/aotinductor/model/model.so", "AOTInductor"),
        ("models/other.json", "more than one program"),
        ("executorch/x", "no exported program has"),
    ):
        _refused(hostile.packed(files | {f"archive/{name}": pickle.dumps(_Exploit())}), tmp_path, text)
    _refused(
        _json(program, _set("config", "last.bias", "use_pickle", value=True), WEIGHTS), tmp_path, "weight in a pickle"
    )
    _refused(
        _json(program, _set("config", "last.bias", "use_pickle", value=0), WEIGHTS), tmp_path, "weight in a pickle"
    )


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("path_name",), "../../x", "name of a weight entry"),
        (("path_name",), "weight_99", "numbers are missing"),
        (("tensor_meta", "sizes"), [{"as_int": 10**9}], "reaches beyond"),
        (("tensor_meta", "sizes"), [{"as_int": -1}], "impossible shape"),
        (("tensor_meta", "sizes"), [{"as_expr": {"expr_str": "s0"}}], "proper description"),
        (("tensor_meta", "strides"), [], "impossible shape"),
        (("tensor_meta", "dtype"), 999, "unknown type"),
        (("tensor_meta",), None, "proper description"),
    ],
)
def test_weights(path: tuple[str, ...], value: Any, text: str, program: bytes, tmp_path: Path) -> None:
    _refused(_json(program, _set("config", "last.bias", *path, value=value), WEIGHTS), tmp_path, text)


def test_missing_and_broken_entries(program: bytes, tmp_path: Path) -> None:
    for name in (MODEL, WEIGHTS):
        files = hostile.contents(program)
        del files[name]
        _refused(hostile.packed(files), tmp_path, "entry is missing")
        for content in (b"{", b"\xff", b"[" * 100_000, b'{"config": {}, "config": {}}'):
            _refused(hostile.edited(program, name, lambda _, c=content: c), tmp_path, "no JSON that torch writes")
        _refused(hostile.edited(program, name, lambda _: b"[]"), tmp_path, "no table at the top")
    _refused(hostile.edited(program, "archive/archive_format", lambda _: b"new"), tmp_path, "format b'new'")


def test_trust_loads_it_all_the_same(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(_json(program, _set(*NODE, "metadata", "new", value="x")))
    opened = open_archive(path, trust=True)
    assert "unknown remark" in str(opened.waived[0])
    assert isinstance(opened.load(), torch.export.ExportedProgram)


class _Shapes(nn.Module):
    """Sizes that are computed, guards, a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(nets.FEATURES, 8)
        self.scale = torch.ones(8)

    def forward(self, x: Tensor) -> Tensor:
        torch._check(x.shape[0] * 3 < 3000)
        y = (self.layer(x) * self.scale).view(x.shape[0] * 2, 4).view(x.shape[0], -1)
        rest = x.shape[0] % 3 + min(x.shape[0], 7) + max(x.shape[0] // 2, 5)
        return torch.sigmoid(y.sum(1)) + torch.zeros(rest).sum()


@pytest.mark.parametrize("strict", [False, True])
def test_computed_sizes_and_guards_pass(strict: bool, tmp_path: Path) -> None:
    shapes = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(_Shapes(), (torch.randn(8, nets.FEATURES),), dynamic_shapes=shapes, strict=strict)
    path = tmp_path / "m.pt2"
    path.write_bytes(serialise(program, {}))
    model = json.loads(hostile.contents(path.read_bytes())[MODEL])
    assert model["guards_code"], "nothing is tested"
    loaded = open_archive(path).load()
    assert isinstance(loaded, torch.export.ExportedProgram)
    x = torch.randn(20, nets.FEATURES)
    assert torch.equal(loaded.module()(x), program.module()(x))


# each takes half a second; together they hold every kind of layer
DECOMPOSED = ("in_place", "gelu", "batchnorm_after", "layernorm_before", "concat", "arithmetic", "double_softmax")


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
def test_the_allowlist_holds_every_operator_of_the_supported_networks(train: bool) -> None:
    targets: set[str] = set()
    for name in nets.ALL:
        program = nets.exported(nets.build(name, train=train), dynamic=name != "double")
        targets.update(str(node.target) for node in program.graph.nodes if node.op == "call_function")
        if name not in DECOMPOSED:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of its own pytree
            decomposed = program.run_decompositions()
        targets.update(str(node.target) for node in decomposed.graph.nodes if node.op == "call_function")
    names = {target.split(".")[1] for target in targets if target.startswith("aten.")}
    assert len(names) > 20
    assert names <= allowlist.EXPORT_ATEN
    assert all(target.startswith("aten.") or "getitem" in target for target in targets)


@pytest.mark.parametrize(
    "text",
    [
        "Symbol('s77', positive=True, integer=True)",
        "Integer(3)",
        "Add(Symbol('s6', positive=True, integer=True), Integer(-1))",
        "FloorDiv(Add(Symbol('s6', positive=True, integer=True), Integer(1)), Integer(2))",
        "Mul(Integer(2), Pow(Symbol('u0', integer=True), Integer(2)))",
        "Max(Integer(5), Min(Integer(7), Symbol('s77', positive=True, integer=True)))",
        "Mod(s0, 3)",
        "s68 + 1",
        "2*s0 - s1//3 + s2 % 2",
        "Eq(s0, 4)",
        "StrictLessThan(s0, Integer(4))",
        "s0 >= 3",
        "Float('0.5', precision=53)",
        "-1",
    ],
)
def test_sizes(text: str) -> None:
    assert size_problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s0 s1",
        "os",
        "exec('x')",
        "Symbol('s0').__class__",
        "Symbol('s0', positive=open('x'))",
        "Symbol('x; y')",
        "Symbol(name='s0')",
        "Symbol(*[1])",
        "Integer('3')",
        "Lambda(s0, s0)",
        "Function('f')(s0)",
        "s0.func",
        "s0[0]",
        "[s0]",
        "lambda: s0",
        "s0 if s0 else s1",
        "2**(10**9)",
        "Pow(2, 10000000)",
        "Pow(9, Pow(9, 9))",
        "9" * 100,
        "s0 + " * 1000 + "s0",
        "(" * 500 + "s0" + ")" * 500,
        "s0 \n",
        "ｓ0",
        "'s0'",
        "f'{s0}'",
        "s0 @ s1",
        "Float('1e9999999')",
    ],
)
def test_no_sizes(text: str) -> None:
    assert size_problem(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "(L['x'].size()[0] // 2) >= 2",
        "3*L['flat_args'][0].size()[0] < 3000",
        "((-1) + L['x'].size()[0]) != 1",
        "((-1) + L['x'].size()[0]) == L['z'].size()[0]",
        "max(5, L['x'].size()[0]) <= 9 and L['x'].stride()[0] == 1",
        "L['n'] == 3",
    ],
)
def test_guards(text: str) -> None:
    assert guard_problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "x.size()[0] > 2",
        "L",
        "L['x'].size()[0] > open('x')",
        "L['x'].tofile('x')",
        "L['x'].size(0)",
        "L['x'].__class__",
        'L["x\'); import os #"].size()[0] > 1',
        "L[f]",
        "torch.save(L['x'])",
        "L['x'].size()[0] > '1'",
    ],
)
def test_no_guards(text: str) -> None:
    assert guard_problem(text) is not None
