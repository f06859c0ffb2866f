"""A scripted or traced TorchScript module, read into a `Program`.

The one adapter to PyTorch's graph interface: the module is copied with its parameters kept and everything else
that is constant in eval mode folded, which leaves one straight list of operators.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from debias.errors import ModelError, Problem
from debias.model.program import Node, Param, Program, Ref, direct_call

_SCALARS = {"i": "i", "f": "f", "s": "s", "t": "t", "is": "is_", "fs": "fs", "ss": "ss"}


def read_torchscript(module: torch.jit.ScriptModule) -> Program:
    """Return the program of ``module.forward`` in eval mode.

    Raises
    ------
    ModelError
        With every operation that cannot be part of a feed-forward network.
    """
    # Kept out of the freezing pass: an assertion about shapes folds away, a parameter must not.
    frozen = torch._C._freeze_module(module._c, [], True, True)
    graph = frozen._get_method("forward").graph
    return _Reader(graph).program()


class _Reader:
    def __init__(self, graph: Any) -> None:
        self.graph = graph
        inputs = list(graph.inputs())
        self.self_name = inputs[0].debugName()
        self.inputs = inputs[1:]
        self.values: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self.nodes: list[Node] = []

    def program(self) -> Program:
        for value in self.inputs:
            if str(value.type()) not in {"Tensor", "Tensor(requires_grad=0)"} and value.type().kind() != "TensorType":
                self.problems.append(
                    Problem(
                        f"input {_plain_name(value)} is a {value.type()}", "forward", "Only tensor inputs are read."
                    )
                )
            self.values[value.debugName()] = Ref(_plain_name(value))
        for node in self.graph.nodes():
            self._read(node)
        outputs = list(self.graph.outputs())
        output = self.values.get(outputs[0].debugName()) if len(outputs) == 1 else None
        if isinstance(output, tuple | list) and len(output) == 1:
            output = output[0]
        if not isinstance(output, Ref):
            self.problems.append(
                Problem(
                    f"forward returns {outputs[0].type() if len(outputs) == 1 else 'several values'}, not one tensor",
                    "forward",
                    "Export a module whose forward returns the score alone.",
                )
            )
        if self.problems:
            raise ModelError(self.problems)
        assert isinstance(output, Ref)
        names = tuple(_plain_name(value) for value in self.inputs)
        return Program(names, tuple(self.nodes), output.name).trimmed()

    def _read(self, node: Any) -> None:
        kind = node.kind()
        if kind == "prim::Constant":
            self._set(node, _constant(node))
        elif kind == "prim::GetAttr":
            self._set(node, self._attribute(node))
        elif kind in {"prim::ListConstruct", "prim::TupleConstruct"}:
            items = [self._get(value) for value in node.inputs()]
            self._set(node, items if kind == "prim::ListConstruct" else tuple(items))
        elif kind in {"prim::TupleUnpack", "prim::ListUnpack"} and isinstance(
            self._get(node.inputsAt(0)), list | tuple
        ):
            for value, item in zip(node.outputs(), self._get(node.inputsAt(0)), strict=True):
                self.values[value.debugName()] = item
        elif kind in {"prim::NumToTensor", "aten::Int"}:
            self._set(node, self._get(node.inputsAt(0)))
        elif kind in {"prim::If", "prim::RaiseException", "aten::format", "prim::Print"} and not node.outputsSize():
            return  # a check of the input's shape that only raises
        elif kind.startswith("aten::"):
            self._operator(node)
        else:
            self._refuse(node)

    def _operator(self, node: Any) -> None:
        text = node.schema()
        if "no schema" in text:
            self._refuse(node)
            return
        schema = torch._C.parse_schema(text)
        op = schema.name.removeprefix("aten::")
        packet = getattr(torch.ops.aten, op.rstrip("_") if not op.startswith("_") else op, None)
        overload = getattr(packet, schema.overload_name or "default", None)
        if overload is None or node.outputsSize() != 1:
            self._refuse(node)
            return
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for argument, value in zip(schema.arguments, node.inputs(), strict=True):
            if argument.kwarg_only:
                kwargs[argument.name] = self._get(value)
            else:
                args.append(self._get(value))
        name = node.output().debugName()
        plain = op.rstrip("_") if not op.startswith("_") else op
        if kwargs.get("alpha") == 1:
            kwargs.pop("alpha")
        call = direct_call(plain, overload) if not kwargs else overload
        self.nodes.append(Node(name, plain, call, tuple(args), kwargs))
        self.values[name] = Ref(name)
        if op.endswith("_") and not op.startswith("_") and isinstance(args[0], Ref):
            # In place: later readers of the old value see the new one.
            old = args[0]
            for key, value in self.values.items():
                if value == old:
                    self.values[key] = Ref(name)

    def _attribute(self, node: Any) -> Any:
        owner = node.inputsAt(0)
        prefix = "" if owner.debugName() == self.self_name else self._get(owner)
        path = f"{prefix}.{node.s('name')}" if prefix else node.s("name")
        return Param(path) if node.output().type().kind() == "TensorType" else path

    def _get(self, value: Any) -> Any:
        # Missing: the value of a node that was refused already.
        return self.values.get(value.debugName())

    def _set(self, node: Any, value: Any) -> None:
        self.values[node.output().debugName()] = value

    def _refuse(self, node: Any) -> None:
        outputs = [value.debugName() for value in node.outputs()]
        if not any(value.uses() for value in node.outputs()) or self._only_checks(node):
            return
        for name in outputs:
            self.values[name] = Ref(name)
        what = {
            "prim::If": "a branch that depends on the data",
            "prim::Loop": "a loop",
            "prim::DictConstruct": "a dictionary",
        }.get(node.kind(), node.kind())
        self.problems.append(
            Problem(
                f"forward contains {what}, which is not part of a feed-forward network",
                _place(node),
                "Export a module whose forward is one fixed sequence of tensor operations.",
            )
        )

    def _only_checks(self, node: Any) -> bool:
        """Return True where the values decide nothing but whether an exception is raised."""
        seen = [use.user for value in node.outputs() for use in value.uses()]
        return all(user.kind() == "prim::If" and (not user.outputsSize() or self._only_checks(user)) for user in seen)


def _plain_name(value: Any) -> str:
    """Return the argument's name without the number that the compiler appends."""
    return str(value.debugName()).partition(".")[0]


def _constant(node: Any) -> Any:
    if not node.attributeNames():
        return None
    kind = node.kindOf("value")
    if kind == "ival":
        return node.output().toIValue()
    value = getattr(node, _SCALARS.get(kind, kind))("value")
    output_kind = node.output().type().kind()
    if output_kind == "BoolType":
        return bool(value)
    if isinstance(value, Tensor) and value.ndim == 0 and output_kind == "TensorType":
        return value.item() if value.dtype != torch.bool else bool(value)
    return value


def _place(node: Any) -> str:
    scope = node.scopeName().replace("__module.", "")
    return f"forward, {scope}" if scope else "forward"
