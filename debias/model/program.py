"""A network as a list of operations on named values: what both file formats are read into.

A `Program` is immutable. Its numbers stand outside, in a state (name → tensor), so that a repaired network is the
same program with another state.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from debias.errors import ModelError, Problem

ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "softplus": "Softplus",
    "hardtanh": "Hardtanh",
    "hardswish": "Hardswish",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
}
"""Activation functions that work unit by unit, with the name a reader knows."""

ZERO_AT_ZERO = frozenset(ACTIVATIONS) - {"sigmoid", "softplus"}
"""Activation functions with f(0) = 0 exactly (Hardtanh is checked by its bounds)."""

IDENTITY = frozenset({"dropout", "alpha_dropout", "feature_dropout", "alias", "clone", "contiguous", "detach", "to"})
"""Operations that hand their input on unchanged in eval mode."""

RESHAPE = frozenset({"view", "reshape", "flatten", "squeeze", "unsqueeze", "_unsafe_view"})
"""Operations that only give the same numbers another shape."""

# Called directly these cost less than through the operator's overload.
_DIRECT: dict[str, Callable[..., Any]] = {
    "linear": torch.nn.functional.linear,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "batch_norm": torch.batch_norm,
}


@dataclass(frozen=True)
class Ref:
    """An argument that is the value of an input or of another node."""

    name: str


@dataclass(frozen=True)
class Param:
    """An argument that is an entry of the state."""

    name: str


@dataclass(frozen=True)
class Node:
    """One operation.

    Parameters
    ----------
    name : str
        Name of the value that it gives.
    op : str
        Operator name without namespace, overload or the underscore of in-place forms, e.g. ``linear``.
    call : callable
        What computes it.
    args, kwargs
        Constants, `Ref`, `Param`, or lists of these.
    """

    name: str
    op: str
    call: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def argument(self, position: int, default: Any = None) -> Any:
        """Return a positional argument, or `default` where the call leaves it out."""
        return self.args[position] if position < len(self.args) else default

    def evaluate(self, env: Mapping[str, Any], state: Mapping[str, Tensor]) -> Any:
        """Return the node's value from the values before it and the numbers."""
        args, kwargs = self._sources
        if args is None:

            def leaf(value: Any) -> Any:
                if isinstance(value, Ref):
                    return env[value.name]
                return state[value.name] if isinstance(value, Param) else value

            return self.call(
                *[substitute(value, leaf) for value in self.args],
                **{key: substitute(value, leaf) for key, value in self.kwargs.items()},
            )
        return self.call(
            *[env[value] if place == 0 else state[value] if place == 1 else value for place, value in args], **kwargs
        )

    @cached_property
    def _sources(self) -> tuple[tuple[tuple[int, Any], ...] | None, Mapping[str, Any]]:
        """Where each argument is found: 0 among the values, 1 in the state, 2 a constant; None for nested ones."""
        nested = any(isinstance(value, list | tuple) and any(map(_is_source, walk(value))) for value in self.args)
        if nested or any(map(_is_source, walk(tuple(self.kwargs.values())))):
            return None, {}
        return tuple(
            (0, value.name) if isinstance(value, Ref) else (1, value.name) if isinstance(value, Param) else (2, value)
            for value in self.args
        ), self.kwargs

    @cached_property
    def refs(self) -> tuple[str, ...]:
        """Names of the values that the node reads."""
        return tuple(a.name for a in walk((self.args, tuple(self.kwargs.values()))) if isinstance(a, Ref))

    @cached_property
    def params(self) -> tuple[str, ...]:
        """Names of the state entries that the node reads."""
        return tuple(a.name for a in walk((self.args, tuple(self.kwargs.values()))) if isinstance(a, Param))


def _is_source(value: Any) -> bool:
    return isinstance(value, Ref | Param)


def walk(value: Any) -> Iterator[Any]:
    """Yield the leaves of nested lists and tuples."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from walk(item)
    else:
        yield value


def substitute(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return `value` with `leaf` applied to each leaf of nested lists and tuples."""
    if isinstance(value, list | tuple):
        return type(value)(substitute(item, leaf) for item in value)
    return leaf(value)


def direct_call(op: str, fallback: Callable[..., Any]) -> Callable[..., Any]:
    """Return the cheapest callable of an operator."""
    return _DIRECT.get(op, fallback)


@dataclass(frozen=True)
class Program:
    """Operations in the order in which they run.

    Parameters
    ----------
    inputs : tuple of str
        Names of the tensor inputs, in the order of the signature.
    nodes : tuple of Node
        Operations; each reads only inputs and earlier nodes.
    output : str
        Name of the value that is returned.
    """

    inputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    output: str

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """Nodes by the name of their value."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each value."""
        found: dict[str, list[Node]] = {name: [] for name in (*self.inputs, *self.by_name)}
        for node in self.nodes:
            for name in dict.fromkeys(node.refs):
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def param_users(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each entry of the state."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.params):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def run(
        self,
        inputs: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        *,
        until: str | None = None,
        edit: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    ) -> Tensor:
        """Return the output, or the value named `until`.

        Parameters
        ----------
        inputs : mapping of str to Tensor
            Each input by name, [N, d].
        state : mapping of str to Tensor
            The numbers.
        until : str, optional
            Value to stop at.
        edit : mapping, optional
            Functions applied to values on the way (taps, masks), by name of the value.
        """
        wanted = until or self.output
        env: dict[str, Any] = dict(inputs)
        if wanted in env:
            return torch.as_tensor(env[wanted])
        for node in self.nodes:
            result = node.evaluate(env, state)
            if edit and node.name in edit:
                result = edit[node.name](result)
            env[node.name] = result
            if node.name == wanted:
                break
        value = env[wanted]
        if not isinstance(value, Tensor):
            raise ModelError(Problem(f"the network returns a {type(value).__name__}, not a tensor"))
        return value

    def columns(self, inputs: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, int]:
        """Return the number of columns of every value of shape [N, columns], from a run on a few rows."""
        env: dict[str, Any] = dict(inputs)
        for node in self.nodes:
            env[node.name] = node.evaluate(env, state)
        return {name: value.shape[1] for name, value in env.items() if isinstance(value, Tensor) and value.ndim == 2}

    def without(self, ops: frozenset[str]) -> Program:
        """Return the program without operations that hand their first input on unchanged."""
        alias: dict[str, Any] = {}
        nodes = []

        def leaf(value: Any) -> Any:
            return alias.get(value.name, value) if isinstance(value, Ref) else value

        for node in self.nodes:
            args = tuple(substitute(value, leaf) for value in node.args)
            if node.op in ops and isinstance(args[0], Ref):
                alias[node.name] = args[0]
            else:
                kwargs = {key: substitute(value, leaf) for key, value in node.kwargs.items()}
                nodes.append(Node(node.name, node.op, node.call, args, kwargs))
        output = alias[self.output].name if self.output in alias else self.output
        return Program(self.inputs, tuple(nodes), output)

    def until(self, name: str) -> Program:
        """Return the program that gives the value `name`."""
        return Program(self.inputs, self.nodes, name).trimmed()

    def trimmed(self) -> Program:
        """Return the program without the nodes that the output does not need."""
        needed = {self.output}
        nodes: list[Node] = []
        for node in reversed(self.nodes):
            if node.name in needed:
                nodes.append(node)
                needed.update(node.refs)
        return Program(self.inputs, tuple(reversed(nodes)), self.output)


def is_training_constant(node: Node) -> bool:
    """Return True for a dropout or batch normalisation that is in train mode for good."""
    if node.op in {"dropout", "alpha_dropout", "feature_dropout"}:
        return bool(node.argument(2, False))
    if node.op == "batch_norm":
        return bool(node.argument(5, False))
    return node.op in {"native_dropout", "_native_batch_norm_legit", "bernoulli", "rand_like", "randn_like"}


def normalised(program: Program, state: Mapping[str, Tensor]) -> Program:
    """Return the program with every spelling of a fully connected layer written as ``linear``.

    ``addmm(b, x, t(W))``, ``matmul(x, t(W))`` and ``mm(x, t(W))``, with or without a following ``+ b``, are the same
    layer; so are a transposed weight made by ``t``, ``permute`` or ``transpose``.
    """
    nodes: dict[str, Node] = {}
    for node in program.nodes:
        if node.op == "addmm" and (weight := transposed(program, node.argument(2))) and not _scaled(node):
            node = Node(node.name, "linear", _DIRECT["linear"], (node.args[1], weight, node.args[0]), {})
        elif node.op in {"mm", "matmul"} and (weight := transposed(program, node.argument(1))):
            node = Node(node.name, "linear", _DIRECT["linear"], (node.args[0], weight, None), {})
        elif node.op == "add" and not _scaled(node):
            node = _with_bias(node, nodes, program, state)
        nodes[node.name] = node
    return Program(program.inputs, tuple(nodes.values()), program.output).trimmed()


def transposed(program: Program, value: Any) -> Param | None:
    """Return the weight whose transpose `value` is."""
    node = program.by_name.get(value.name) if isinstance(value, Ref) else None
    if node is not None and node.op in {"t", "numpy_T", "permute", "transpose"} and isinstance(node.argument(0), Param):
        return node.args[0]  # type: ignore[no-any-return]
    return None


def _scaled(node: Node) -> bool:
    return any(value != 1 for value in (*node.args[3:], *node.kwargs.values())) or (
        node.op == "add" and node.argument(2, 1) != 1
    )


def _with_bias(node: Node, nodes: Mapping[str, Node], program: Program, state: Mapping[str, Tensor]) -> Node:
    for value, bias in ((node.args[0], node.args[1]), (node.args[1], node.args[0])):
        layer = nodes.get(value.name) if isinstance(value, Ref) else None
        if (
            layer is not None
            and isinstance(bias, Param)
            and layer.op == "linear"
            and layer.argument(2) is None
            and state[bias.name].ndim == 1
            and len(program.consumers[layer.name]) == 1
        ):
            return Node(node.name, "linear", layer.call, (layer.args[0], layer.args[1], bias), {})
    return node


PYTHON_OPERATORS: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "mod", "getitem", "neg")
}
"""Integer arithmetic that a graph may do on sizes."""
