"""How much the output of a network moves with each of its inputs.

Fair MEDL section 2.7 measures feature importance by the gradient magnitude with respect to each input and gives no
formula. Here it is the mean over rows of |∂ŷ/∂x_nj|, times the standard deviation of column j on these rows: a column
in dollars and one in years then compare. For a mixed-effects network ŷ is the fixed-effects prediction (z = 0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from debias.data.sample import Sample
from debias.errors import ModelError, Problem
from debias.model.effects import fixed, has_fixed_head
from debias.model.network import Network

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Score = Callable[[Mapping[str, Tensor]], Tensor]
"""Takes the inputs by name, each [n, d], and returns one number a row [n]; a row's number depends on that row alone."""
Target = Literal["output", "logit"]
"""Whose gradient is taken: the probability (of a regression the prediction), or its logit."""

ROWS_AT_ONCE = 16_384
_CUTS_GRADIENTS = frozenset({"detach"})


@dataclass(frozen=True, eq=False)
class Magnitudes:
    """Gradient magnitudes of the columns of one input.

    Parameters
    ----------
    slope : ndarray of float64, shape [d]
        Mean over rows of |∂ŷ/∂x_j|, or |∂ŷ/∂x_j| at the one point where that was asked.
    spread : ndarray of float64, shape [d]
        Standard deviation of column j over the rows (population, ddof 0).
    """

    slope: FloatArray
    spread: FloatArray

    @property
    def importance(self) -> FloatArray:
        """Slope times spread: how far ŷ moves when a column moves by one standard deviation."""
        return self.slope * self.spread


@dataclass(frozen=True, eq=False)
class RandomSpread:
    """How far the coefficients of one random effect differ between clusters.

    Parameters
    ----------
    entry : str
        State entry of the posterior means.
    means : ndarray of float64, shape [clusters, coefficients]
        On the scale of the logit; of a regression on that of the standardised target.
    """

    entry: str
    means: FloatArray

    @property
    def spread(self) -> FloatArray:
        """Standard deviation over clusters of each coefficient's mean (population, ddof 0), shape [coefficients]."""
        found: FloatArray = self.means.std(axis=0)
        return found


def network_magnitudes(
    network: Network, sample: Sample, *, at_mean: bool = False, target: Target = "output"
) -> dict[str, Magnitudes]:
    """Return the gradient magnitudes of every column that an opened network reads.

    Parameters
    ----------
    network : Network
        Plain, or mixed-effects by its contract: then the cluster input is at zero, and not among the result.
    sample : Sample
        The rows.
    at_mean : bool
        Take the gradient at one point, the mean of the rows with a cluster input at zero, as the published code of
        ARMED does; it standardises all columns, which the factor of the spread stands for here.
    target : {"output", "logit"}
        ``output`` is the probability, or a regression's prediction.

    Returns
    -------
    dict of str to Magnitudes
        By role of the input. A group code that a file of `roc` or `eqodds` reads is a number of a name, not a
        quantity: it is held at each row's own value, and at the mean at that of the first row.

    Raises
    ------
    ModelError
        A gradient is not finite.
    """
    mixed = has_fixed_head(network)
    if "cluster" in sample.inputs and (mixed or at_mean):
        sample = fixed(sample)
    tensors = network.tensors(sample)
    among = [item for item in network.inputs if not item.codes and not (mixed and item.role == "cluster")]
    # A detach of the file's own changes no output; it would only hide part of the gradient.
    program = network.program.without(_CUTS_GRADIENTS)

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        if target == "logit":
            return network.head.logits(program.run(inputs, network.state, until=network.head.value))
        return network.head.probabilities(program.run(inputs, network.state))

    found = magnitudes(score, tensors, [item.name for item in among], at_mean=at_mean)
    bad = [item.role for item in among if not np.isfinite(found[item.name].slope).all()]
    if bad:
        problem = Problem(
            f"the gradient with respect to the input {bad[0]} is not finite",
            f"{network.archive.path}, {sample.name}",
            "Look at the rows' features, or retrain the network.",
        )
        raise ModelError(problem)
    return {item.role: found[item.name] for item in among}


def magnitudes(
    score: Score, inputs: Mapping[str, Tensor], among: Sequence[str], *, at_mean: bool = False
) -> dict[str, Magnitudes]:
    """Return the gradient magnitudes of a score with respect to some of its inputs.

    One backward pass of the summed score gives every row's gradient, because no row's score depends on another row.

    Parameters
    ----------
    score : callable
        The network; see `Score`.
    inputs : mapping of str to Tensor
        All inputs by name, [N, d] or [N].
    among : sequence of str
        Inputs whose columns are measured, each [N, d].
    at_mean : bool
        At the mean of these inputs over the rows; the others at their first row.
    """
    rows = len(next(iter(inputs.values())))
    totals = {name: np.zeros(inputs[name].shape[1]) for name in among}
    points = rows
    parts = _chunks(inputs, rows)
    if at_mean:
        mean = {name: inputs[name].double().mean(0, keepdim=True).to(inputs[name].dtype) for name in among}
        parts, points = [{name: mean.get(name, value[:1]) for name, value in inputs.items()}], 1
    for part in parts:
        leaves = {name: part[name].detach().clone().requires_grad_() for name in among}
        with torch.enable_grad():
            total = score({**part, **leaves}).sum()
            gradients = _gradients(total, [leaves[name] for name in among])
        for name, gradient in zip(among, gradients, strict=True):
            totals[name] += gradient.abs().double().sum(0).numpy()
    return {
        name: Magnitudes(total / points, inputs[name].double().std(0, correction=0).numpy())
        for name, total in totals.items()
    }


def _chunks(inputs: Mapping[str, Tensor], rows: int) -> list[dict[str, Tensor]]:
    return [
        {name: value[start : start + ROWS_AT_ONCE] for name, value in inputs.items()}
        for start in range(0, rows, ROWS_AT_ONCE)
    ]


def _gradients(total: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Return the gradients; zeros where the score does not read an input at all."""
    if not total.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found: tuple[Any, ...] = torch.autograd.grad(total, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if one is None else one for leaf, one in zip(leaves, found, strict=True)]


def random_spreads(network: Network) -> list[RandomSpread]:
    """Return the random effects of a mixed-effects network in the order of its contract; none of a plain one."""
    effects = None if network.contract is None else network.contract.effects
    return [
        RandomSpread(item.mean, network.state[item.mean].double().numpy())
        for item in (effects.random if effects is not None else ())
    ]


def ranks(values: FloatArray) -> IntArray:
    """Return the place of each value among all, 1 for the largest; equal values share the better place."""
    found: IntArray = 1 + len(values) - np.searchsorted(np.sort(values), values, side="right")
    return found


def block_sums(values: FloatArray, widths: Sequence[int]) -> FloatArray:
    """Return the sums of neighbouring values: those of the columns that come from one feature.

    Parameters
    ----------
    values : ndarray of float64, shape [d]
    widths : sequence of int
        Columns of each feature; they add up to d.
    """
    if sum(widths) != len(values):
        raise ValueError(f"{sum(widths)} columns in all features, {len(values)} values")
    return np.array([part.sum() for part in np.split(values, np.cumsum(widths)[:-1])])
