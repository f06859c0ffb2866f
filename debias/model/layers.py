"""Hidden layers found in the graph: their units, what they feed, and how one unit is taken out by weights alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from debias.model.program import ACTIVATIONS, IDENTITY, ZERO_AT_ZERO, Node, Param, Program, Ref

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Column:
    """Where a layer's units enter a consumer: the consumer's weight and the column of unit 0."""

    node: str
    weight: str
    offset: int


@dataclass(frozen=True)
class Layer:
    """One hidden fully connected layer.

    Parameters
    ----------
    path : str
        Path of the layer in the module, e.g. ``hidden.0``.
    units : int
        Number of units.
    linear : str
        Value of the summed pre-activations [N, units].
    activation : str
        Value h of the activations [N, units] (eq. 4 of the parity-proxies paper).
    function : str
        Name of the activation function, ``none`` where there is none.
    norms : tuple of str
        Normalisations between the weights and the consumers, in order.
    columns : tuple of Column
        Consumers whose weights read the units, when every consumer is a fully connected layer; else empty.
    masked : str
        Value [N, units] whose columns a pruned unit sets to 0 (`outgoing`, where weights are zeroed in front of it).
    zeroed : tuple of str
        State entries whose j-th entries (rows) are zeroed where the outgoing weights cannot be.
    incoming : tuple of str
        Weight and bias of the layer itself (the published code's way to prune).
    blocked : tuple of str
        Why no unit can be pruned by outgoing weights or exact zeros; empty when it can.
    incoming_blocked : tuple of str
        The same for pruning by incoming weights.
    """

    path: str
    units: int
    linear: str
    activation: str
    function: str
    norms: tuple[str, ...]
    consumers: tuple[str, ...]
    columns: tuple[Column, ...]
    masked: str
    zeroed: tuple[str, ...]
    incoming: tuple[str, ...]
    blocked: tuple[str, ...]
    incoming_blocked: tuple[str, ...]

    def prune(self, state: State, units: Sequence[int], *, outgoing: bool = True) -> dict[str, Tensor]:
        """Return the entries of `state` that change when `units` are taken out.

        Parameters
        ----------
        state : mapping of str to Tensor
            The network's numbers; not changed.
        units : sequence of int
            Units of this layer.
        outgoing : bool
            True: the unit contributes nothing to any consumer. False: its incoming weights and bias are zeroed.
        """
        index = list(units)
        changed: dict[str, Tensor] = {}

        def copy(name: str) -> Tensor:
            if name not in changed:
                changed[name] = state[name].clone()
            return changed[name]

        if not outgoing:
            rows = self.incoming
        elif self.columns:
            for column in self.columns:
                copy(column.weight)[:, [column.offset + j for j in index]] = 0
            return changed
        else:
            rows = self.zeroed
        for name in rows:
            copy(name)[index] = 0
        return changed


def find_layers(
    program: Program, state: State, shared: Callable[[str], bool], columns: Mapping[str, int]
) -> tuple[Layer, ...]:
    """Return the hidden layers in the order in which they run: those that feed another fully connected layer.

    Parameters
    ----------
    program, state
        The network.
    shared : callable
        Tells whether an entry of the state is read more than once, or stands under two names.
    columns : mapping of str to int
        Number of columns of the inputs and of the values on the way (`Program.columns`).
    """
    finder = _Finder(program, state, shared, columns)
    dense = [node for node in program.nodes if node.op == "linear" and isinstance(node.argument(1), Param)]
    feeding: set[str] = set()
    for node in reversed(program.nodes):
        if node in dense or node.name in feeding:
            feeding.update(node.refs)
    return tuple(finder.layer(node) for node in dense if node.name in feeding)


@dataclass(frozen=True)
class _Finder:
    program: Program
    state: State
    shared: Callable[[str], bool]
    widths: Mapping[str, int]

    def layer(self, node: Node) -> Layer:
        weight = node.args[1].name
        bias = node.argument(2)
        units = int(self.state[weight].shape[0])
        before = self._to_activation(node)
        activation = before[-1]
        after = self._unitwise(activation)
        masked = after[-1]
        columns, blockers = self._columns(masked.name, 0)
        blocked: list[str] = []
        zeroed: tuple[str, ...] = ()
        if blockers or not columns:
            columns = []
            zeroed, reason = self._zeroed(masked, [*before, *after[1:]])
            if reason:
                blocked.append(f"{' and '.join(blockers) or 'no consumer'}; {reason}")
        else:
            blocked += [f"its consumer's weight {c.weight} is shared" for c in columns if self.shared(c.weight)]
        incoming = (weight, *((bias.name,) if isinstance(bias, Param) else ()))
        return Layer(
            path=weight.rpartition(".")[0] or weight,
            units=units,
            linear=node.name,
            activation=activation.name,
            function=ACTIVATIONS.get(activation.op, "none"),
            norms=tuple(_NORMS[n.op] for n in (*before, *after[1:]) if n.op in _NORMS),
            consumers=tuple(c.weight.rpartition(".")[0] for c in columns)
            or tuple(_place(n) for n in self.program.consumers[masked.name]),
            columns=tuple(columns),
            masked=masked.name,
            zeroed=zeroed,
            incoming=incoming,
            blocked=tuple(blocked),
            incoming_blocked=tuple(f"its {name} is shared" for name in incoming if self.shared(name)),
        )

    def _to_activation(self, node: Node) -> list[Node]:
        """Follow a layer through norms to its activation; stop at the layer itself where there is none."""
        chain = [node]
        while True:
            consumers = self.program.consumers[chain[-1].name]
            if len(consumers) != 1 or chain[-1].name == self.program.output:
                return [node]
            chain.append(consumers[0])
            if consumers[0].op in ACTIVATIONS:
                return chain
            if consumers[0].op not in _NORMS and consumers[0].op not in IDENTITY:
                return [node]

    def _unitwise(self, node: Node) -> list[Node]:
        """Follow values that stay one column per unit, as long as they have one consumer."""
        chain = [node]
        while True:
            consumers = self.program.consumers[chain[-1].name]
            if len(consumers) != 1 or not self._is_unitwise(consumers[0]):
                return chain
            chain.append(consumers[0])

    def _is_unitwise(self, node: Node) -> bool:
        if node.op in IDENTITY or node.op == "batch_norm":
            return True
        if node.op in {"mul", "div"}:
            return all(not isinstance(a, Ref | Param) for a in node.args[1:])
        return False

    def _columns(self, name: str, offset: int) -> tuple[list[Column], list[str]]:
        """Return the consumers' columns that read the value, and what stands in the way of zeroing them."""
        columns: list[Column] = []
        blockers: list[str] = []
        for node in self.program.consumers[name]:
            if node.op == "linear" and isinstance(node.argument(1), Param) and node.args[0] == Ref(name):
                columns.append(Column(node.name, node.args[1].name, offset))
                continue
            inner = self._through(node, name)
            if inner is None:
                blockers.append(f"its way to its consumers crosses {_CROSSED.get(node.op, node.op)}")
                continue
            found, blocked = self._columns(node.name, offset + inner)
            columns += found
            blockers += blocked
        if name == self.program.output:
            blockers.append("it is part of the output")
        return columns, list(dict.fromkeys(blockers))

    def _through(self, node: Node, name: str) -> int | None:
        """Return the columns by which a unit moves when its value passes `node`, None where it cannot be followed."""
        if node.op in ACTIVATIONS or self._is_unitwise(node):
            return 0
        if node.op == "cat" and node.argument(1, 0) in (1, -1):
            parts = node.args[0]
            if [p for p in parts if p == Ref(name)] != [Ref(name)]:
                return None
            before = parts[: parts.index(Ref(name))]
            if all(isinstance(part, Ref) and part.name in self.widths for part in before):
                return sum(self.widths[part.name] for part in before)
        return None

    def _zeroed(self, masked: Node, chain: Sequence[Node]) -> tuple[tuple[str, ...], str]:
        """Return the entries to zero so that the value of `masked` is exactly 0 for a unit, or why there are none."""
        for node in reversed(chain[: chain.index(masked) + 1]):
            names: tuple[str, ...] = ()
            if node.op in _NORMS:
                position = 1 if node.op == "batch_norm" else 2
                affine = node.args[position : position + 2]
                if not all(isinstance(a, Param) for a in affine):
                    return (), f"the {_NORMS[node.op]} before that has no scale and shift to zero"
                names = tuple(a.name for a in affine)
            elif node.op == "linear":
                bias = node.argument(2)
                names = (node.args[1].name, *((bias.name,) if isinstance(bias, Param) else ()))
            elif node.op in ACTIVATIONS and not _zero_at_zero(node):
                return (), f"{ACTIVATIONS[node.op]} of 0 is not 0, so no weights make the unit's activation 0"
            if names:
                taken = [name for name in names if self.shared(name)]
                return ((), f"{taken[0]} is shared") if taken else (names, "")
        return (), "no weights in front of it"


def _zero_at_zero(node: Node) -> bool:
    if node.op == "hardtanh":
        return bool(node.argument(1, -1) <= 0 <= node.argument(2, 1))
    return node.op in ZERO_AT_ZERO


_NORMS = {"batch_norm": "BatchNorm", "layer_norm": "LayerNorm"}
_CROSSED = {"layer_norm": "a LayerNorm", "add": "an addition", "sub": "a subtraction", "cat": "a concatenation"}


def _place(node: Node) -> str:
    """Return the path of an operation in the file, or its name where it has no weights."""
    return (node.params[0].rpartition(".")[0] if node.params else "") or node.op
