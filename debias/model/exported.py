"""A torch.export program (.pt2), read into a `Program`."""

from __future__ import annotations

from typing import Any

import torch
from torch.export.graph_signature import InputKind, OutputKind

from debias.errors import ModelError, Problem
from debias.model.program import PYTHON_OPERATORS, Node, Param, Program, Ref, direct_call, substitute

_ENDLESS = 2**31
"""A bound on a batch size from here on is none."""


def read_exported(exported: torch.export.ExportedProgram) -> Program:
    """Return the program of an exported module; its batch size, where static, is made free.

    Raises
    ------
    ModelError
        With every operation or output that cannot be part of a feed-forward network.
    """
    batch = static_batch(exported)
    arguments: dict[str, Any] = {}
    inputs: list[str] = []
    for spec in exported.graph_signature.input_specs:
        name = spec.arg.name
        if spec.kind == InputKind.USER_INPUT:
            inputs.append(name)
            arguments[name] = Ref(name)
        else:
            arguments[name] = Param(str(spec.target))
    problems: list[Problem] = []
    nodes: list[Node] = []
    for fx_node in exported.graph.nodes:
        if fx_node.op == "call_function":
            node = _read(fx_node, arguments, batch)
            if node is None:
                problems.append(
                    Problem(
                        f"the graph calls {fx_node.target}, which is not part of a feed-forward network", fx_node.name
                    )
                )
            else:
                nodes.append(node)
            arguments[fx_node.name] = Ref(fx_node.name)
        elif fx_node.op not in {"placeholder", "output"}:
            problems.append(Problem(f"the graph holds a {fx_node.op} node", fx_node.name))
    outputs = [s for s in exported.graph_signature.output_specs if s.kind == OutputKind.USER_OUTPUT]
    if len(outputs) != 1 or len(exported.graph_signature.output_specs) != 1:
        problems.append(
            Problem(
                f"forward returns {len(exported.graph_signature.output_specs)} values or changes its buffers",
                "forward",
                "Export the module in eval mode, with a forward that returns the score alone.",
            )
        )
    if problems:
        raise ModelError(problems)
    return Program(tuple(inputs), tuple(nodes), str(outputs[0].arg.name)).trimmed()


def static_batch(exported: torch.export.ExportedProgram) -> int | None:
    """Return the one batch size that the program accepts, or None where it is free."""
    # A free size is a symbol, which cannot be put into a set.
    rows = [shape[0] for shape in _input_shapes(exported).values() if shape]
    return rows[0] if rows and all(isinstance(size, int) and size == rows[0] for size in rows) else None


def free_batch(exported: torch.export.ExportedProgram) -> Any:
    """Return the batch size of a program as a dimension with the same range, or None where its range is not plain."""
    shape = next((shape for shape in _input_shapes(exported).values() if shape), ())
    size = shape[0] if shape else None
    bounds = exported.range_constraints.get(size.node.expr) if isinstance(size, torch.SymInt) else None
    if bounds is None:
        return None
    ends = {}
    for name, end in (("min", bounds.lower), ("max", bounds.upper)):
        if end.is_Integer and int(end) < _ENDLESS:
            ends[name] = int(end)
    return torch.export.Dim("batch", **ends)


def input_widths(exported: torch.export.ExportedProgram) -> dict[str, int]:
    """Return the number of columns of each input [N, columns] for which it was exported."""
    return {
        name: shape[1]
        for name, shape in _input_shapes(exported).items()
        if len(shape) == 2 and isinstance(shape[1], int)
    }


def _input_shapes(exported: torch.export.ExportedProgram) -> dict[str, tuple[Any, ...]]:
    inputs = exported.graph_signature.user_inputs
    values = {node.name: node.meta.get("val") for node in exported.graph.nodes if node.op == "placeholder"}
    return {
        name: tuple(value.shape) for name, value in values.items() if name in inputs and isinstance(value, torch.Tensor)
    }


def _read(fx_node: Any, arguments: dict[str, Any], batch: int | None) -> Node | None:
    def leaf(value: Any) -> Any:
        return arguments[value.name] if isinstance(value, torch.fx.Node) else value

    args = tuple(substitute(_plain(value), leaf) for value in fx_node.args)
    kwargs = {key: substitute(_plain(value), leaf) for key, value in fx_node.kwargs.items()}
    target = fx_node.target
    if isinstance(target, torch._ops.OpOverload):
        if target.namespace != "aten":
            return None
        op = target._opname
        plain = op.rstrip("_") if not op.startswith("_") else op
        if plain != op:
            # An exported graph is functional; the in-place form only survives where its input is read by nobody else.
            target = getattr(getattr(torch.ops.aten, plain), target._overloadname)
        if batch is not None and plain in {"view", "reshape", "expand", "_unsafe_view"}:
            sizes = list(args[1])
            if sizes and sizes[0] == batch and -1 not in sizes:
                args = (args[0], [-1, *sizes[1:]])
        return Node(fx_node.name, plain, direct_call(plain, target) if not kwargs else target, args, kwargs)
    name = getattr(target, "__name__", "")
    arithmetic = PYTHON_OPERATORS.get(name)
    if arithmetic is not None and arithmetic is target:
        return Node(fx_node.name, name, arithmetic, args, kwargs)
    if name in {"_assert_scalar", "sym_constrain_range_for_size"}:
        return Node(fx_node.name, name, lambda *_: None, (), {})
    return None


def _plain(value: Any) -> Any:
    """Turn fx's immutable lists into plain ones."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return value
