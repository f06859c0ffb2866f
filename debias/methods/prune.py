"""Pruning of the units with the largest influence on the bias (parity-proxies paper, Algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from debias.errors import ModelError, Problem, UsageError
from debias.flags import Flag
from debias.methods.base import Method, Repair, Setting
from debias.words import count

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from debias.fairness.proxies import Proxy
    from debias.methods.search import Logits, State
    from debias.model.layers import Layer
    from debias.model.network import Network
    from debias.objective import Judge
    from debias.objective.comparison import Target
    from debias.objective.heading import Heading


_COLLAPSED = 0.52
"""Balanced accuracy below which the published code takes a network to have collapsed."""


@dataclass(frozen=True)
class Prune(Method):
    """Prune the units with the largest influence on the bias (Algorithm 1).

    Hidden units are taken out, the most influential first; the influences are computed again after each step.

    Parameters
    ----------
    steps : int, optional
        B of Algorithm 1: each step takes out the units above the (1 − 1/B) quantile. Default: one unit a step.
    outgoing : bool
        True: a unit's outgoing weights are zeroed, so that it contributes nothing (Algorithm 1). False: its incoming
        weights and bias are zeroed, as the published code does; behind a BatchNorm it then still sends a constant.
    fill : {"zero", "mean"}
        What a pruned unit is replaced by for its consumers: 0 (Algorithm 1), or the mean of its activations over the
        rows of the influences, which goes into the consumers' biases.
    influence : {"preactivation", "activation"}
        Where eq. 4 takes the gradient: at the summed pre-activation (the published code; it measures better, see
        benchmarks/README.md), or at the activation h (the paper's text).
    limit : int, optional
        Take at most this many steps. Default: until every unit is out.
    stop_below : float, optional
        Balanced accuracy, of a regression R², below which a network has collapsed and is pruned no further; 0 goes on.
        Default: 0.52, of a regression none.
    """

    steps: Annotated[
        int | None,
        Flag("Number of pruning steps; each prunes the same share of units. Default: one unit a step.", metavar="B"),
    ] = None
    outgoing: Annotated[
        bool,
        Flag(
            "Which weights of a unit become zero: outgoing (Algorithm 1) or incoming (published code; a unit before a "
            "BatchNorm then still sends a constant on).",
            names="--outgoing/--incoming",
        ),
    ] = True
    fill: Annotated[
        Literal["zero", "mean"],
        Flag("What a pruned unit sends on: zero (Algorithm 1), or its mean over the rows of the influences."),
    ] = "zero"
    influence: Annotated[
        Literal["preactivation", "activation"],
        Flag("Where a unit's influence on the bias is taken; the paper's text says activation, its code the other."),
    ] = "preactivation"
    limit: Annotated[
        int | None, Flag("Prune at most this many steps. Default: until every unit is out.", metavar="N")
    ] = None
    stop_below: Annotated[
        float | None,
        Flag(
            "Stop when the best balanced accuracy (R² of a regression) falls below this: the network has collapsed. "
            "Default: 0.52, of a regression none.",
            metavar="BA",
        ),
    ] = None
    name: ClassVar[str] = "prune"

    def __post_init__(self) -> None:
        problems = []
        for flag, value in (("--steps", self.steps), ("--limit", self.limit)):
            if value is not None and value < 1:
                problems.append(Problem(f"{value!r} is no number of steps", flag, "Give 1 or more."))
        if self.stop_below is not None and not 0 <= self.stop_below < 1:
            problems.append(Problem(f"{self.stop_below!r} is out of range", "--stop-below", "Give 0 to below 1."))
        if self.fill not in ("zero", "mean"):
            problems.append(Problem(f"unknown fill {self.fill!r}", "--fill", "Give zero or mean."))
        elif self.fill == "mean" and not self.outgoing:
            problems.append(
                Problem("a mean takes the place of outgoing weights", "--fill", "Leave --incoming or --fill mean out.")
            )
        if self.influence not in ("activation", "preactivation"):
            problems.append(
                Problem(f"unknown influence {self.influence!r}", "--influence", "Give activation or preactivation.")
            )
        if problems:
            raise UsageError(problems)

    def prunable(self, network: Network) -> tuple[Layer, ...]:
        """Return the layers whose units can be taken out exactly."""
        return tuple(layer for layer in network.layers if not self._blocked(layer, network))

    def _blocked(self, layer: Layer, network: Network) -> tuple[str, ...]:
        """Return why the layer's units cannot be taken out; nothing where they can."""
        if self.fill == "mean":
            from debias.model.filling import filling_reasons

            return layer.blocked or filling_reasons(network, layer)
        return layer.blocked if self.outgoing else layer.incoming_blocked

    def repair(self, setting: Setting) -> Repair:
        """Return the pruned network with the largest objective on the selection rows.

        Raises
        ------
        ModelError
            When no layer can be pruned, with the reason of each.
        """
        from debias.methods.search import Search
        from debias.objective.heading import Heading

        layers = self.prunable(setting.network)
        if reasons := self.reasons(setting.network):
            raise ModelError(reasons)
        search = Search(setting.objective.on(setting.select))
        run = _Run(self, setting, layers, search.scorer)
        logits = run.logits()
        search.add(logits, dict, {"pruned": 0})
        heading = Heading(search.scorer, logits)
        total = sum(layer.units for layer in layers)
        limit = min(self.steps or total, self.limit or total)
        least = self.stop_below
        if least is None:
            least = _COLLAPSED if setting.objective.task == "classification" else -math.inf
        for number in range(1, limit + 1):
            fresh = run.prune(heading)
            if not fresh:
                break
            units = [[layer.path, unit] for layer, unit in fresh]
            logits = run.logits()
            step = search.add(logits, run.changed, {"units": units, "pruned": len(run.order)})
            heading.look(logits)
            setting.progress(number, limit, f"{len(run.order)} of {total} units pruned")
            if step.quality < least:
                break
        setting.progress(limit, limit, "pruned")
        chosen = run.order[: int(search.trajectory[search.chosen].detail.get("pruned", 0))]
        pruned: dict[str, list[int]] = {}
        for layer, unit in chosen:
            pruned.setdefault(layer.path, []).append(unit)
        return search.repair({"units": {path: sorted(units) for path, units in pruned.items()}})

    def summary(self, repair: Repair, network: Network) -> str:
        """Return how many units were pruned."""
        pruned: dict[str, list[int]] = repair.changes["units"]
        number, total = sum(map(len, pruned.values())), sum(layer.units for layer in network.layers)
        text = f"Pruned {count(number, 'unit')} of {total:,} in {count(len(pruned), 'layer')}"
        return f"{text}; each is replaced by its mean." if self.fill == "mean" else f"{text}."

    def skipped(self, network: Network) -> dict[str, str]:
        """Return the layers that are left alone, with the reason."""
        return {
            layer.path: "; ".join(reasons) for layer in network.layers if (reasons := self._blocked(layer, network))
        }

    def reasons(self, network: Network) -> list[Problem]:
        """Return why no unit of the network can be pruned; nothing where one can."""
        if self.prunable(network):
            return []
        if not network.layers:
            return [
                Problem("the network has no hidden fully connected layer, so there is no unit to prune", "", "Use gda.")
            ]
        return [Problem(f"cannot be pruned: {why}", path, "Use gda.") for path, why in self.skipped(network).items()]


class _Run:
    """The network while it is being pruned."""

    def __init__(self, method: Prune, setting: Setting, layers: tuple[Layer, ...], scorer: Judge) -> None:
        import numpy as np

        from debias.model.evaluation import Evaluation

        self.method, self.network = method, setting.network
        network, train = setting.network, setting.train
        self.train_scorer = scorer if train is setting.select else setting.objective.on(train)
        self.rows = _rows_of_proxy(self.train_scorer)
        same = train is setting.select and len(self.rows) == len(train)
        rows = train if same else train.take(self.rows)
        device = setting.device
        self.graded = Evaluation(network, network.tensors(rows), layers, method.influence, device)
        self.scored = self.graded if same else Evaluation(network, network.tensors(setting.select), device=device)
        self.units = [(layer, unit) for layer in layers for unit in range(layer.units)]
        self.alive = np.ones(len(self.units), dtype=bool)
        self.order: list[tuple[Layer, int]] = []
        self._proxies: dict[tuple[int, tuple[int, int]], Proxy] = {}
        self._share = _share(rows.weight, len(rows)) if method.fill == "mean" else None

    def logits(self) -> Logits:
        logits: Logits = self.scored.logits().cpu().numpy()
        return logits

    def prune(self, heading: Heading) -> list[tuple[Layer, int]]:
        """Take out the next units and return them; none where no unit is left to take."""
        import numpy as np
        import torch

        signed = heading.sign * torch.cat(self.graded.influences(self._proxy(heading.target))).cpu().numpy()
        if self.method.steps is None:
            order = np.flatnonzero(self.alive)
            picked = order[np.argsort(-signed[order], kind="stable")[:1]]
        else:
            cut = np.quantile(signed, 1 - 1 / self.method.steps)
            picked = np.flatnonzero(self.alive & (signed > cut))
        self.alive[picked] = False
        fresh = [self.units[k] for k in picked]
        self.order += fresh
        self._apply(fresh)
        return fresh

    def changed(self) -> State:
        """Return the entries that differ from the unchanged network."""
        names = {name for layer, _ in self.order for name in self._entries(layer)}
        return {name: self.scored.state[name].cpu() for name in names}

    def _entries(self, layer: Layer) -> tuple[str, ...]:
        if not self.method.outgoing:
            return layer.incoming
        if self.method.fill == "mean":
            from debias.model.filling import filled_entries

            return filled_entries(self.network, layer)
        return tuple(column.weight for column in layer.columns) or layer.zeroed

    def _apply(self, fresh: list[tuple[Layer, int]]) -> None:
        state: dict[str, Tensor] = dict(self.scored.state)
        changed: dict[str, Tensor] = {}
        for layer in {id(layer): layer for layer, _ in fresh}.values():
            units = [unit for other, unit in fresh if other is layer]
            part = self._taken_out(layer, units, state)
            state.update(part)
            changed.update(part)
        self.graded.update(changed)
        if self.scored is not self.graded:
            self.scored.update(changed)

    def _taken_out(self, layer: Layer, units: list[int], state: State) -> dict[str, Tensor]:
        if self._share is None:
            return layer.prune(state, units, outgoing=self.method.outgoing)
        from debias.model.filling import filled

        return filled(self.graded, layer, units, self._share, state)

    def _proxy(self, target: Target) -> Proxy:
        """Return the proxy of the difference that is driven now."""
        import torch

        from debias.fairness.proxies import Proxy

        key = (target.comparison, target.pair)
        if key not in self._proxies:
            device, scorer = self.graded.logits().device, self.train_scorer
            weights = torch.from_numpy(scorer.proxy_weights(target)[self.rows]).to(device)
            truth = None if scorer.truth is None else torch.from_numpy(scorer.truth[self.rows]).to(device)
            self._proxies[key] = Proxy(weights, scorer.comparisons[target.comparison].form, truth)
        return self._proxies[key]


def _rows_of_proxy(scorer: Judge) -> npt.NDArray[np.int64]:
    """Return the rows that can carry weight in a proxy."""
    import numpy as np

    counted = np.any([item.members >= 0 for item in scorer.comparisons], axis=0)
    return np.flatnonzero(counted & (scorer.weights > 0))


def _share(weight: npt.NDArray[np.float64] | None, rows: int) -> Tensor:
    """Return the weight of each row in a mean over them."""
    import torch

    if weight is None:
        return torch.full((rows,), 1 / rows, dtype=torch.float64)
    return torch.from_numpy(weight / weight.sum())
