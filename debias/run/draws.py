"""How far figures depend on what is not known of the random effects: they are drawn from their posterior.

Fair MEDL section 2.2: each random effect has a normal posterior, mean μ and SD 1e-5 + softplus(ρ). The network is
served at the means; a draw puts others that the training data deem as plausible in their place. The rows stay the same:
the limits over draws tell nothing of the noise of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from debias.data.swap import NoSwap, Swap
from debias.errors import Problem, UsageError
from debias.fairness.counts import FloatArray, IntArray
from debias.model.effects import draw, posterior_sds
from debias.model.head import Head
from debias.report.values.effects import DrawnFigure, Draws
from debias.report.values.figures import Figures
from debias.run.deciding import deployed
from debias.run.figures import Measured
from debias.run.opening import Opened
from debias.run.swapping import swapped, swaps

SHARE = 0.95
"""Of the draws that lie between the limits."""
PERFORMANCE = ("balanced_accuracy", "mse")
DISPERSION = ("tpr_sd", "fpr_sd", "mse_sd", "demographic_parity", "demographic_parity_soft", "attribute_swap")
Part = Literal["all", "seen", "unseen"]
Key = tuple[str, str | None, Part]


def no_posterior(opened: Opened) -> UsageError:
    """Return the error of a file that tells no posterior."""
    found = "the file's contract tells no random effects with a posterior, so there is nothing to draw"
    return UsageError(Problem(found, f"--draws: {opened.request.model}", "Leave --draws out."))


def drawn(opened: Opened, measured: Measured, output: Tensor, rows: Mapping[Part, IntArray], draws: int) -> Draws:
    """Return figures and decisions over draws of the random effects.

    Parameters
    ----------
    opened : Opened
        The network; its seed is that of the draws.
    measured : Measured
        The rows.
    output : Tensor
        What the file's own forward returned for them.
    rows : mapping of str to ndarray of int64
        The rows of each part.
    draws : int
        2 or more.

    Raises
    ------
    UsageError
        The contract tells no posterior.
    """
    network, head = opened.network, opened.network.head
    if not posterior_sds(network):
        raise no_posterior(opened)
    told = {part: some for part, some in rows.items() if len(some) and (part == "all" or len(some) < len(output))}
    run = _Run(opened, {part: (measured.take(some), some) for part, some in told.items()}, swaps(opened))
    sample = measured.sample
    # One way to compute for the served network and the draws alike.
    served = run.of(network.logits(sample), {})
    generator = np.random.default_rng(opened.request.seed)
    values: dict[Key, list[float]] = {key: [] for key in served.figures}
    flipped = np.zeros(len(sample), np.int64)
    sums, squares = np.zeros(len(sample)), np.zeros(len(sample))
    for _ in range(draws):
        state = draw(network, generator)
        one = run.of(network.logits(sample, state), state)
        for key, each in values.items():
            value = one.figures.get(key)
            each.append(np.nan if value is None else value)
        flipped += one.decisions != served.decisions
        moved = one.numbers - served.numbers
        sums, squares = sums + moved, squares + moved**2
    spread = np.sqrt(np.maximum(squares - sums**2 / draws, 0.0) / (draws - 1))
    decides = head.kind != "value"
    return Draws(
        draws=draws,
        share=SHARE,
        flipped=float((flipped > 0).mean()) if decides else None,
        flipped_per_draw=float(flipped.mean() / draws) if decides else None,
        prediction_sd=float(spread.mean()),
        figures=[_limits(key, served.figures[key], np.array(each)) for key, each in values.items()],
    )


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What one set of random effects gives: predictions, decisions [N], and figures."""

    numbers: FloatArray
    decisions: npt.NDArray[np.bool_]
    figures: dict[Key, float | None]


@dataclass(frozen=True, eq=False)
class _Run:
    """A network on the rows of each part."""

    opened: Opened
    parts: Mapping[Part, tuple[Measured, IntArray]]
    ways: Mapping[str, Swap | NoSwap]

    def of(self, logits: npt.NDArray[np.floating[Any]], state: Mapping[str, Tensor]) -> _Drawn:
        """Return what the logits of all rows [N] give; `state` made them."""
        network, head = self.opened.network, self.opened.network.head
        output = _output(head, logits)
        numbers = head.probabilities(output).double().numpy()
        predict = lambda some: head.probabilities(_output(head, network.logits(some, state))).double().numpy()  # noqa: E731
        changed = swapped(self.opened, self.parts["all"][0].sample, numbers, predict, self.ways)
        figures: dict[Key, float | None] = {}
        for part, (measured, rows) in self.parts.items():
            found = deployed(self.opened, measured, output[rows], changed if part == "all" else {})
            figures |= {(name, attribute, part): value for name, attribute, value in _of(found.figures)}
        decisions = head.decide(output, self.opened.threshold, self.opened.decision).numpy()
        return _Drawn(numbers, decisions, figures)


def _of(found: Figures) -> Iterator[tuple[str, str | None, float | None]]:
    for name in PERFORMANCE:
        if (value := getattr(found, name, None)) is not None:
            yield name, None, value
    for parity in found.parities:
        yield "bias", parity.attribute, parity.bias
    for spread in found.dispersion:
        for name in DISPERSION:
            if (value := getattr(spread, name)) is not None:
                yield name, spread.attribute, value


def _output(head: Head, logits: npt.NDArray[np.floating[Any]]) -> Tensor:
    """Return what the file's forward would have returned for these logits [N]."""
    values = torch.from_numpy(logits)
    if head.kind in {"probability", "softmax"}:
        values = torch.sigmoid(values)
    if head.classes == 1:
        return values
    other = 1 - values if head.kind == "softmax" else torch.zeros_like(values)
    return torch.stack([other, values], 1)


def _limits(key: Key, served: float | None, values: FloatArray) -> DrawnFigure:
    defined = values[~np.isnan(values)]
    low, high = np.quantile(defined, [(1 - SHARE) / 2, (1 + SHARE) / 2]) if len(defined) else (np.nan, np.nan)
    return DrawnFigure(
        figure=key[0],
        attribute=key[1],
        rows=key[2],
        value=served,
        low=float(low),
        high=float(high),
        undefined=len(values) - len(defined),
    )
