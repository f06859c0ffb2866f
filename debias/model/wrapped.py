"""A rule written as a model: the same program, with a group beside the features and the rule behind the score."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from debias.errors import ModelError, Problem
from debias.model.exported import free_batch, static_batch
from debias.model.head import Head, logit
from debias.model.rule import Rule, draw

if TYPE_CHECKING:
    from debias.model.archive import Loaded
    from debias.model.network import Network

_SAMPLE_ROWS = 7
PREFIX = "network."
"""What stands before the names of the network's own state in a file with a rule."""


class Ruled(nn.Module):
    """A network with a rule: ``forward(x, group)``, with `group` the int64 code [N] of each row's group.

    The network's state stands under its own names behind `PREFIX`, the rule's numbers under ``rule_…``. The output
    has the shape and the type of the network's own. A rule of plain thresholds shifts the logit of each group, so that
    the deployed threshold decides as the group's cut did and the score keeps its meaning. A rule that draws returns
    its decision: probability 1 or 0, or a logit of ±8 on either side of the deployed threshold's. A code that is no
    group raises.

    Parameters
    ----------
    network : Module
        The original, as it was loaded.
    head : Head
        How its output becomes a score.
    columns : int
        0 for outputs of shape [N], 1 for [N, 1], 2 for [N, 2].
    rule : Rule
        Its cuts are on the scale of the logits that this network gives.
    width : int
        Number of features.
    threshold : float
        Probability at which the deployed system cuts.
    wide : bool
        True for an output of float64.
    asserts : bool
        True where a code is checked by an ``assert`` (TorchScript), False where by an operator (torch.export).
    """

    # TorchScript drops the branches that these rule out.
    __constants__ = ("asserts", "columns", "deployed", "kind", "least", "most", "plain", "wide")

    if TYPE_CHECKING:
        # As annotations of the class TorchScript would have to read them.
        network: Any
        rule_cuts: Tensor
        rule_below: Tensor
        rule_above: Tensor
        rule_multipliers: Tensor
        rule_keys: Tensor

    def __init__(
        self,
        network: Any,
        head: Head,
        columns: int,
        rule: Rule,
        *,
        width: int,
        threshold: float,
        wide: bool,
        asserts: bool,
    ) -> None:
        super().__init__()
        self.network = network
        self.kind = head.kind
        self.columns = columns
        self.plain = rule.plain
        self.wide = wide
        self.asserts = asserts
        self.deployed = logit(threshold)
        info = torch.finfo(torch.float64 if wide else torch.float32)
        self.least, self.most = info.tiny, 1 - info.eps / 2
        multipliers, keys = rule.constants(width)
        for name, values in (("cuts", rule.cuts), ("below", rule.below), ("above", rule.above)):
            self.register_buffer(f"rule_{name}", torch.from_numpy(values.copy()))
        self.register_buffer("rule_multipliers", multipliers)
        self.register_buffer("rule_keys", keys)

    def forward(self, x: Tensor, group: Tensor) -> Tensor:
        """Return the score, or the decision, of each row."""
        return self.ruled(self.network(x), x, group)

    def ruled(self, output: Tensor, x: Tensor, group: Tensor) -> Tensor:
        """Return the score, or the decision, of each row from the network's output."""
        known = torch.logical_and(group >= 0, group < self.rule_cuts.shape[0]).all()
        if self.asserts:
            assert bool(known), "group holds a code that is none of the model's groups"
        else:
            torch.ops.aten._assert_async.msg(known, "group holds a code that is none of the model's groups")
        logits = self.logits(output)
        cuts = self.rule_cuts.index_select(0, group)
        if self.plain:
            score = logits - cuts + self.deployed
        else:
            chance = torch.where(
                logits > cuts, self.rule_above.index_select(0, group), self.rule_below.index_select(0, group)
            )
            decided = draw(x, self.rule_multipliers, self.rule_keys) < chance
            score = self.deployed + 16.0 * decided.to(torch.float64) - 8.0
            if self.kind == "probability" or self.kind == "softmax":
                return self.shaped(decided.to(torch.float64))
        if self.kind == "probability":
            score = torch.sigmoid(score)
        if self.kind == "softmax":
            return self.typed(torch.softmax(torch.stack([-0.5 * score, 0.5 * score], 1), 1))
        return self.shaped(score)

    def logits(self, output: Tensor) -> Tensor:
        """Return the logit of each row [N], float64, from the network's output."""
        value = output.to(torch.float64)
        if self.kind == "softmax":
            value = torch.log(value.clamp(self.least, 1.0))
        if self.columns == 2:
            return value[:, 1] - value[:, 0]
        flat = value.reshape(-1)
        if self.kind == "probability":
            flat = flat.clamp(self.least, self.most)
            return torch.log(flat) - torch.log1p(-flat)
        return flat

    def shaped(self, score: Tensor) -> Tensor:
        """Return the scores [N] in the shape and type of the network's output."""
        if self.columns == 1:
            score = score.unsqueeze(1)
        elif self.kind == "softmax":
            score = torch.stack([1.0 - score, score], 1)
        elif self.columns == 2:
            score = torch.stack([-0.5 * score, 0.5 * score], 1)
        return self.typed(score)

    def typed(self, score: Tensor) -> Tensor:
        """Return values in the type of the network's output."""
        return score if self.wide else score.to(torch.float32)


class RuledByCluster(Ruled):
    """A network that reads a cluster beside the features, with a rule: ``forward(x, z, group)``."""

    def forward(self, x: Tensor, z: Tensor, group: Tensor) -> Tensor:  # type: ignore[override]
        """Return the score, or the decision, of each row."""
        return self.ruled(self.network(x, z), x, group)


def wrapped(network: Network, state: Mapping[str, Tensor], rule: Rule, *, width: int, threshold: float) -> Loaded:
    """Return the program of a network with a rule behind it, in the network's own format.

    Parameters
    ----------
    network : Network
        The original; it reads the features, and perhaps a cluster behind them.
    state : mapping of str to Tensor
        Entries of its state that change.
    rule : Rule
        Its cuts are on the scale of the logits that the changed network gives. Where the head allows it the highest
        cut is folded into the last bias, and the others follow: a probability below 0.5 tells logits apart that near
        1 are one number.
    width : int
        Number of features.
    threshold : float
        Probability at which the deployed system cuts.

    Raises
    ------
    ModelError
        When the network takes other inputs beside the features, or torch cannot wrap it.
    """
    if problems := reasons(network):
        raise ModelError(problems)
    state = dict(state)
    if network.head.foldable:
        highest = float(rule.cuts.max())
        state |= network.head.fold({**network.state, **state}, highest, 0.5)
        rule = replace(rule, cuts=rule.cuts - highest)
    loaded = network.loaded(state)
    columns = _columns(network)
    wide = network.dtype == torch.float64
    exported = isinstance(loaded, torch.export.ExportedProgram)
    inner = loaded.module(check_guards=False) if isinstance(loaded, torch.export.ExportedProgram) else loaded
    shape = Ruled if len(network.inputs) == 1 else RuledByCluster
    module = shape(
        inner, network.head, columns, rule, width=width, threshold=threshold, wide=wide, asserts=not exported
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not isinstance(loaded, torch.export.ExportedProgram):
            return torch.jit.script(module.eval())
        batch = static_batch(loaded)
        free = None if batch is not None else free_batch(loaded)
        rows = batch or (_SAMPLE_ROWS if free is None else max(_SAMPLE_ROWS, free.min or 0))
        example = *network.zeros(rows).values(), torch.zeros(rows, dtype=torch.int64)
        shapes = None if batch is not None else tuple({0: free or torch.export.Dim.AUTO} for _ in example)
        return torch.export.export(module, example, dynamic_shapes=shapes)


def _columns(network: Network) -> int:
    """Return 0 for an output of shape [N], else its number of columns."""
    output = network.call(network.zeros(network.batch or _SAMPLE_ROWS))
    return 0 if output.ndim == 1 else int(output.shape[1])


def reasons(network: Network) -> list[Problem]:
    """Return why a rule cannot be written round a network; nothing where it can."""
    roles = tuple(item.role for item in network.inputs)
    if roles in {("features",), ("features", "cluster")} and not any(item.codes for item in network.inputs):
        return []
    others = ", ".join(f"{item.name} ({item.role})" for item in network.inputs if item.role != "features")
    return [
        Problem(
            f"the network takes {others or 'codes'} beside its features; a rule by group is written round networks of "
            "features, or of features and a cluster",
            str(network.archive.path),
            "Use a method that changes the weights, or start from the file before the rule was added.",
        )
    ]
