"""How the output becomes a score, and where a threshold can be folded in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from debias.errors import ModelError, Problem
from debias.model.program import IDENTITY, RESHAPE, Node, Param, Program, Ref

Kind = Literal["probability", "logit", "softmax", "logits2", "value"]
"""probability: [N] or [N, 1] in [0, 1]; logit: [N] or [N, 1]; softmax: [N, 2]; logits2: [N, 2] before a softmax; value:
[N] or [N, 1] in units of a regression's target."""


@dataclass(frozen=True)
class Head:
    """The end of a network.

    Parameters
    ----------
    kind : str
        What the file returns, see `Kind`.
    value : str
        Value of the program that holds the logits: [N, 1] or [N], or [N, 2] (logit = second minus first). Of a
        regression, the predictions.
    linear : str or None
        Value of the last layer, where it is the one that makes the logits.
    bias : str or None
        State entry into which a cut is folded.
    reason : str
        Why a cut cannot be folded; empty when it can.
    from_probability : bool
        True where only the probability is known and the logit is computed from it.
    sure : bool
        False where the kind was concluded from the values alone.
    """

    kind: Kind
    value: str
    linear: str | None
    bias: str | None
    reason: str = ""
    from_probability: bool = False
    sure: bool = True

    @property
    def foldable(self) -> bool:
        """True when a cut can be folded into the last bias."""
        return not self.reason

    @property
    def classes(self) -> int:
        """Number of columns of the output: 1 or 2."""
        return 2 if self.kind in {"softmax", "logits2"} else 1

    def logits(self, value: Tensor) -> Tensor:
        """Return the logit of each row [N] from the program's value named `value`."""
        if value.ndim == 2 and value.shape[1] == 2:
            if self.from_probability:
                value = _inside(value).log()
            return value[:, 1] - value[:, 0]
        flat = value.reshape(-1)
        return torch.logit(_inside(flat)) if self.from_probability else flat

    def pull(self, value: Tensor, slope: Tensor) -> Tensor:
        """Return the gradient with respect to the program's value from that with respect to the score [N].

        The score is the value itself, or of two columns the second minus the first.
        """
        if value.ndim == 2 and value.shape[1] == 2:
            return torch.stack([-slope, slope], 1)
        return slope.reshape(value.shape)

    def fold(self, state: Mapping[str, Tensor], cut: float, threshold: float) -> dict[str, Tensor]:
        """Return the bias with which ``score > threshold`` decides as ``logit > cut`` did.

        ``bias −= logit(cut) − logit(threshold)``, both on the logit scale; of two classes the second moves.
        """
        if self.bias is None or not self.foldable:
            raise ModelError(Problem(self.reason, "last layer", "Use --keep-scores."))
        bias = state[self.bias].clone()
        shift = cut - logit(threshold)
        if bias.numel() == 2:
            # Half on each side keeps the numbers small; the difference moves by the whole shift.
            bias[1] -= shift / 2
            bias[0] += shift / 2
        else:
            bias -= shift
        return {self.bias: bias}

    def probabilities(self, output: Tensor) -> Tensor:
        """Return the probability of the positive class [N] from the file's own output."""
        if self.kind == "softmax":
            return output[:, 1]
        if self.kind == "logits2":
            return torch.softmax(output, 1)[:, 1]
        flat = output.reshape(-1)
        return torch.sigmoid(flat) if self.kind == "logit" else flat

    def decide(self, output: Tensor, threshold: float, decision: str = "score") -> Tensor:
        """Return the deployed decision [N] (bool) from the file's own output.

        Parameters
        ----------
        output : Tensor
            What the file's forward returned.
        threshold : float
            Probability above which a score is positive (for logits: above its logit).
        decision : {"score", "argmax"}
            The rule of a two-class output.
        """
        if self.classes == 2 and decision == "argmax":
            return output.argmax(1) == 1
        return self.scores(output) > self.cut(threshold)

    def scores(self, output: Tensor) -> Tensor:
        """Return what is cut [N], from the file's own output: a probability, or a logit where the file gives logits."""
        if self.kind == "softmax":
            return output[:, 1]
        if self.kind == "logits2":
            return output[:, 1] - output[:, 0]
        return output.reshape(-1)

    def cut(self, threshold: float) -> float:
        """Return where `scores` are cut for a threshold that is a probability."""
        return logit(threshold) if self.kind in {"logit", "logits2"} else threshold


def _inside(probability: Tensor) -> Tensor:
    """Return probabilities whose logit and its gradient are finite; NaN for what is no probability."""
    info = torch.finfo(probability.dtype)
    inside = probability.clamp(info.tiny, 1 - info.eps / 2)
    return torch.where((probability >= 0) & (probability <= 1), inside, torch.nan)


def sigmoid(logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Return 1 / (1 + exp(−l)) of logits of any shape."""
    return torch.from_numpy(logits.astype(np.float64)).sigmoid().numpy()


def logit(probability: float) -> float:
    """Return log(p / (1 − p)) of a probability strictly between 0 and 1."""
    return math.log(probability) - math.log1p(-probability)


def find_head(
    program: Program,
    state: Mapping[str, Tensor],
    shared: Callable[[str], bool],
    output: Tensor,
    kind: Kind | None = None,
) -> Head:
    """Return the head, found from the graph, with the values of a trial run as witness.

    Parameters
    ----------
    program, state
        The network.
    shared : callable
        Tells whether an entry of the state is read more than once.
    output : Tensor
        What the network returned for a few rows.
    kind : str, optional
        Overrides what was found.

    Raises
    ------
    ModelError
        When the output is neither [N], [N, 1] nor [N, 2], or does not fit `kind`.
    """
    two = output.ndim == 2 and output.shape[1] == 2
    if not (output.ndim == 1 or (output.ndim == 2 and output.shape[1] in (1, 2))):
        shape = "[" + ", ".join(["N", *map(str, output.shape[1:])]) + "]"
        raise ModelError(
            Problem(f"the output has shape {shape}", "last layer", "Scores of shape [N], [N, 1] or [N, 2] can be read.")
        )
    if kind is not None and (kind in {"softmax", "logits2"}) != two:
        raise ModelError(
            Problem(
                f"--output-kind {kind} does not fit an output of shape {list(output.shape)[1:] or '[N]'}", "last layer"
            )
        )
    if kind == "value":
        return Head("value", program.output, None, None, "the network predicts a number, which is not cut")
    head = _from_graph(program, state, output, two)
    if kind is not None and kind != head.kind:
        head = _overridden(head, kind)
    return _with_bias(head, program, state, shared)


def _back(program: Program, state: Mapping[str, Tensor], name: str) -> str:
    """Follow a value back through operations that only give the same numbers another shape."""
    node = program.by_name.get(name)
    while node is not None and isinstance(node.argument(0), Ref) and _shape_only(program, state, node):
        name = node.args[0].name
        node = program.by_name.get(name)
    return name


def _shape_only(program: Program, state: Mapping[str, Tensor], node: Node) -> bool:
    if node.op in RESHAPE or node.op in IDENTITY:
        return True
    if node.op == "slice" and node.argument(1, 0) == 0:
        end = node.argument(3)
        return node.argument(2) in (None, 0) and (end is None or end >= _ALL) and node.argument(4, 1) == 1
    # The one column of [N, 1] taken by its number.
    return node.op in {"select", "slice"} and node.argument(1, 0) in (1, -1) and _one_column(program, state, node)


def _one_column(program: Program, state: Mapping[str, Tensor], node: Node) -> bool:
    source: Node | None = node
    while source is not None and source.op in IDENTITY | {"select", "slice", "sigmoid"}:
        source = program.by_name.get(source.args[0].name) if isinstance(source.argument(0), Ref) else None
    if source is None or source.op != "linear" or not isinstance(source.argument(1), Param):
        return False
    return int(state[source.args[1].name].shape[0]) == 1


_ALL = 2**31
"""A slice that ends here or later takes every row."""


def _from_graph(program: Program, state: Mapping[str, Tensor], output: Tensor, two: bool) -> Head:
    name = _back(program, state, program.output)
    node = program.by_name.get(name)
    within = bool(((output >= 0) & (output <= 1)).all())
    if node is not None and node.op == "sigmoid" and not two:
        return Head("probability", node.args[0].name, None, None)
    if node is not None and _is_softmax(node) and two:
        return Head("softmax", node.args[0].name, None, None)
    if node is not None and not two and (pair := _second_of_softmax(program, state, node)):
        return Head("probability", pair, None, None)
    if node is not None and node.op == "linear":
        return Head("logits2" if two else "logit", name, None, None)
    # The last operation is none of those that we know: the values decide.
    if two:
        sums_to_one = within and bool(torch.allclose(output.sum(1), torch.ones_like(output[:, 0]), atol=1e-4))
        kind: Kind = "softmax" if sums_to_one else "logits2"
        return Head(kind, program.output, None, None, from_probability=sums_to_one, sure=False)
    return Head("probability" if within else "logit", program.output, None, None, from_probability=within, sure=False)


def _second_of_softmax(program: Program, state: Mapping[str, Tensor], node: Node) -> str | None:
    """Return the logits [N, 2] behind ``softmax(...)[:, 1]``."""
    second = {"select": (1, -1), "slice": (1,)}
    if node.argument(1, 0) not in (1, -1) or node.argument(2) not in second.get(node.op, ()):
        return None
    source = program.by_name.get(_back(program, state, node.args[0].name))
    return str(source.args[0].name) if source is not None and _is_softmax(source) else None


def _is_softmax(node: Node) -> bool:
    return node.op in {"softmax", "_softmax"} and isinstance(node.args[0], Ref) and node.argument(1) in (1, -1)


def _overridden(head: Head, kind: Kind) -> Head:
    """Return the head as the user declares it, where the graph allows another reading."""
    declared = kind in {"probability", "softmax"}
    if head.sure and not declared:
        ends = "a sigmoid or softmax" if head.kind == "probability" else "a softmax"
        raise ModelError(
            Problem(f"the graph ends in {ends}, so its output is no logit", "last layer", "Leave --output-kind out.")
        )
    reason = "the last layer's values are declared to be probabilities" if declared else ""
    return replace(head, kind=kind, from_probability=declared, reason=reason)


def _summand(program: Program, state: Mapping[str, Tensor], name: str) -> str:
    """Return the fully connected layer of one output among the terms of a sum, else the value itself.

    A mixed-effects network adds the effects of the cluster to the last layer's output (Fair MEDL section 2.2).
    """
    terms, found = [name], []
    while terms:
        node = program.by_name.get(term := terms.pop())
        if node is None or len(program.consumers[term]) > 1:
            continue
        plain = node.argument(2, 1) == 1 and all(value == 1 for value in node.kwargs.values())
        if node.op == "add" and plain:
            terms += [_back(program, state, arg.name) for arg in node.args[:2] if isinstance(arg, Ref)]
        elif node.op == "linear" and isinstance(node.argument(1), Param) and len(state[node.args[1].name]) == 1:
            found.append(term)
    return found[0] if len(found) == 1 else name


def _with_bias(head: Head, program: Program, state: Mapping[str, Tensor], shared: Callable[[str], bool]) -> Head:
    """Find the bias that a cut can be folded into, or the reason why there is none."""
    name = _summand(program, state, _back(program, state, head.value))
    node = program.by_name.get(name)
    if node is None or node.op != "linear" or not isinstance(node.argument(1), Param):
        what = "nothing" if node is None else node.op
        return replace(
            head, reason=f"the output ends in {what}, not in a fully connected layer with sigmoid, softmax or a reshape"
        )
    bias = node.argument(2)
    columns = int(state[node.args[1].name].shape[0])
    reason = head.reason
    if head.from_probability and not reason:
        reason = "the last layer is followed by something other than sigmoid, softmax or a reshape"
    elif not isinstance(bias, Param):
        reason = "the last layer has no bias"
    elif shared(bias.name) or shared(node.args[1].name):
        reason = "the last layer's weights are shared"
    elif columns not in (1, 2):
        reason = f"the last layer has {columns} outputs"
    return replace(head, linear=name, bias=bias.name if isinstance(bias, Param) else None, reason=reason)
