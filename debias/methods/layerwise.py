"""Layer-wise optimisation without gradients (Savani et al. 2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from debias.errors import ModelError, Problem, UsageError
from debias.flags import Flag
from debias.methods.base import Method, Repair, Setting
from debias.words import count, listing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from debias.methods.search import Logits, Search
    from debias.model.evaluation import Evaluation
    from debias.model.network import Network
    from debias.objective import Judge

# Candidates of one generation, and how many places of a candidate a crossover changes at most.
_POPULATION = 10
_CROSSOVER = 0.9
# What a candidate without a feasible cut loses for using up the bound once.
_PENALTY = 0.25
# Of scores that no cut divides well enough; finite, because the optimiser averages over candidates.
_WORTHLESS = -1e6


@dataclass(frozen=True)
class Layerwise(Method):
    """Optimise the weights of one fully connected layer after the other, without gradients.

    The objective itself is maximised, not a proxy of it; the layer nearest to the output comes first, and each layer
    starts from the best network so far (Savani et al. 2020, layer-wise optimisation). Where no cut meets the bound,
    a candidate counts by its performance less a penalty for its bias, since eq. 3 is 0 almost everywhere.

    The optimiser is SciPy's differential evolution. The paper's, gradient-boosted trees of scikit-optimize, is no
    longer kept up. A layer has a thousand weights: methods that build a simplex or a quadratic model (Nelder-Mead,
    COBYQA) or go along the axes (Powell, dual annealing) spend more evaluations than there are before they move,
    while a small population of evolution moves all weights at once.

    Parameters
    ----------
    evaluations : int
        Evaluations of the objective for each layer, at most: where all candidates are worth the same, as where the
        layer cannot change the order of the scores, it ends sooner. Rounded down to whole generations of 10.
    radius : float
        How far a weight may move, in units of the layer's root mean square.
    layer : str, optional
        Path of the only layer to optimise. Default: all in turn.
    """

    evaluations: Annotated[int, Flag("Evaluations of the objective for each layer.", metavar="N")] = 200
    radius: Annotated[float, Flag("How far a weight may move, in units of its layer's size.", metavar="SHARE")] = 1.0
    layer: Annotated[str | None, Flag("The only layer to optimise. Default: all in turn.", metavar="PATH")] = None
    name: ClassVar[str] = "layerwise"

    def __post_init__(self) -> None:
        problems = []
        if self.evaluations < _POPULATION:
            problems.append(
                Problem(f"{self.evaluations!r} is too few", "--evaluations", f"Give {_POPULATION} or more.")
            )
        if not 0 < self.radius < math.inf:
            problems.append(Problem(f"{self.radius!r} is out of range", "--radius", "Give a number above 0."))
        if problems:
            raise UsageError(problems)

    def repair(self, setting: Setting) -> Repair:
        """Return the network with the largest objective on the selection rows.

        Raises
        ------
        ModelError
            When the network has no fully connected layer.
        UsageError
            When it has none at `layer`.
        """
        import numpy as np

        from debias.methods.search import Search
        from debias.model.evaluation import Evaluation

        network = setting.network
        if reasons := self.reasons(network):
            raise ModelError(reasons)
        layers = self._chosen(network)
        search = Search(setting.objective.on(setting.select))
        evaluation = Evaluation(network, network.tensors(setting.select), device=setting.device)
        run = _Run(search, evaluation, self.evaluations * len(layers), setting)
        generator = np.random.default_rng(setting.seed)
        for path, entries in layers.items():
            self._optimise(run, path, entries, generator)
        setting.progress(run.total, run.total, "optimised")
        moved = dict.fromkeys(step.detail["layer"] for step in search.trajectory[1 : search.chosen + 1])
        return search.repair({"layers": list(moved), "evaluations": run.done})

    def _chosen(self, network: Network) -> dict[str, tuple[str, ...]]:
        layers = _layers(network)
        if self.layer is None:
            return layers
        if self.layer not in layers:
            raise UsageError(
                Problem(f"the network has no layer {self.layer!r}", "--layer", f"Give one of {listing(layers)}.")
            )
        return {self.layer: layers[self.layer]}

    def _optimise(self, run: _Run, path: str, entries: tuple[str, ...], generator: np.random.Generator) -> None:
        import numpy as np
        from scipy.optimize import differential_evolution

        space = _Space(run.evaluation, entries, self.radius)
        start = np.clip(generator.normal(0, 1 / 3, (_POPULATION, space.size)), -1, 1)
        start[0] = 0
        run.enter(path, space)
        differential_evolution(
            run.losses,
            [(-1, 1)] * space.size,
            init=start,
            maxiter=self.evaluations // _POPULATION - 1,
            recombination=_CROSSOVER,
            seed=generator,
            vectorized=True,
            updating="deferred",
            polish=False,
            tol=0,
        )
        run.leave()

    def summary(self, repair: Repair, network: Network) -> str:
        """Return which layers were moved."""
        del network
        layers, evaluations = repair.changes["layers"], repair.changes["evaluations"]
        return f"Optimised {listing(layers)} without gradients, by {count(evaluations, 'evaluation')} in all."

    def reasons(self, network: Network) -> list[Problem]:
        """Return why there is nothing to optimise; nothing where there is."""
        if _layers(network):
            return []
        return [Problem("the network has no fully connected layer whose weights could move", "", "Use gda or perturb.")]


def _layers(network: Network) -> dict[str, tuple[str, ...]]:
    """Return weight and bias of each fully connected layer by its path, the last layer first."""
    from debias.model.program import Param

    found: dict[str, tuple[str, ...]] = {}
    for node in reversed(network.program.until(network.head.value).nodes):
        names = tuple(
            value.name
            for value in (node.argument(1), node.argument(2))
            if node.op == "linear" and isinstance(value, Param) and value.name in network.parameters
        )
        if names:
            found.setdefault(names[0].rpartition(".")[0] or names[0], names)
    return found


class _Space:
    """A layer's numbers as a point of the cube [−1, 1]^n, the present ones at its centre."""

    def __init__(self, evaluation: Evaluation, entries: tuple[str, ...], radius: float) -> None:
        self.centre = {name: evaluation.state[name].clone() for name in entries}
        size = max(float(value.double().square().mean().sqrt()) for value in self.centre.values())
        self.reach = radius * (size or 1.0)
        self.size = sum(value.numel() for value in self.centre.values())

    def entries(self, point: npt.NDArray[np.float64]) -> dict[str, Tensor]:
        """Return the entries of the state at a point [n]."""
        import torch

        found, start = {}, 0
        for name, value in self.centre.items():
            part = torch.from_numpy(point[start : start + value.numel()]).reshape(value.shape)
            found[name] = value + (self.reach * part).to(value)
            start += value.numel()
        return found


class _Run:
    """The network while one of its layers is being moved; keeps the best that it has seen."""

    def __init__(self, search: Search, evaluation: Evaluation, total: int, setting: Setting) -> None:
        self.search, self.evaluation, self.total, self.progress = search, evaluation, total, setting.progress
        self.done = 0
        logits = self._logits()
        search.add(logits, dict, {"layer": "", "evaluation": 0})
        self.value = value_of(search.scorer, logits)
        self.kept: dict[str, Tensor] = {}

    def enter(self, path: str, space: _Space) -> None:
        """Begin with a layer."""
        self.path, self.space, self.best = path, space, dict(space.centre)

    def leave(self) -> None:
        """Go on from the best candidate of the layer."""
        self.evaluation.update(self.best)
        self.kept |= {name: value for name, value in self.best.items() if value is not self.space.centre[name]}

    def losses(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return what is minimised [S], at points [n, S]."""
        import numpy as np

        return np.array([-self._value(point) for point in points.T.reshape(-1, self.space.size)])

    def _value(self, point: npt.NDArray[np.float64]) -> float:
        import numpy as np

        entries = self.space.entries(point)
        self.evaluation.update(entries)
        self.done += 1
        logits = self._logits()
        if not np.isfinite(logits).all():
            return _WORTHLESS
        value = value_of(self.search.scorer, logits)
        if value > self.value:
            self.value, self.best = value, entries
            detail: dict[str, Any] = {"layer": self.path, "evaluation": self.done}
            self.search.add(logits, lambda: {n: v.cpu() for n, v in (self.kept | entries).items()}, detail)
        if self.done % _POPULATION == 0:
            self.progress(min(self.done, self.total), self.total, f"{self.path}: {self.value:.4f}")
        return value

    def _logits(self) -> Logits:
        logits: Logits = self.evaluation.logits().cpu().numpy()
        return logits


def value_of(scorer: Judge, logits: Logits) -> float:
    """Return what the best cut of the scores is worth.

    Where a cut is feasible, what the selection maximises (eq. 3). Where none is, less than any such: the best that a
    cut makes of performance less a penalty for the share of the bound that its bias uses up, minus 1.

    Parameters
    ----------
    scorer : Judge
        The objective on rows.
    logits : ndarray, shape [N]
        Scores of these rows.
    """
    import numpy as np

    sweep = scorer.sweep(logits)
    best = sweep.best_feasible()
    if best is not None:
        return best.merit
    enough = sweep.quality >= sweep.min_performance
    near = (sweep.performance - _PENALTY * sweep.use)[enough & np.isfinite(sweep.use)]
    return float(near.max()) - 1 if len(near) else _WORTHLESS
