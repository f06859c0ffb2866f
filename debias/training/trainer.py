"""Training by the paper's scheme: Adam, small batches, a rate that falls on a plateau, early stopping."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from debias.errors import DataError, Problem
from debias.training.mlp import MLP
from debias.training.stack import Stack

Progress = Callable[[int, int, str], None]
_STEPS_AT_ONCE = 16  # masks drawn in one go: few calls, little memory


def silent(done: int, total: int, text: str) -> None:
    """Take progress and show nothing."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained (parity-proxies paper, appendix D.2, and the defaults of its code).

    Parameters
    ----------
    lr : float
        Learning rate of Adam.
    batch_size : int
        Rows of a mini-batch.
    max_epochs : int
        The most passes over the training rows.
    patience : int
        Epochs without a lower validation loss after which training stops.
    plateau : int
        Epochs without a validation loss lower by 0.01 % after which the rate falls to a tenth
        (``ReduceLROnPlateau``).
    """

    lr: float = 1e-3
    batch_size: int = 64
    max_epochs: int = 1000
    patience: int = 25
    plateau: int = 10


@dataclass(frozen=True)
class Rows:
    """Training and validation rows of one network.

    Parameters
    ----------
    x_train, x_valid : Tensor of float32, shape [N, d]
        Standardised features.
    y_train, y_valid : Tensor of float32, shape [N]
        Labels, 0 or 1.
    """

    x_train: Tensor
    y_train: Tensor
    x_valid: Tensor
    y_valid: Tensor


@dataclass
class Trained:
    """A trained network and how it came about.

    Parameters
    ----------
    network : MLP
        With the weights of the epoch of the lowest validation loss, in eval mode.
    losses : list of float
        Validation loss (binary cross-entropy) after each epoch.
    best : int
        The epoch returned; 0 is the first.
    """

    network: MLP
    losses: list[float] = field(default_factory=list)
    best: int = -1


class _Run:
    """One network's own course: random draws, learning rate, best weights so far."""

    def __init__(self, network: MLP, rows: Rows, seed: int, recipe: Recipe) -> None:
        self.result = Trained(network.eval())
        self.rows = rows
        self.recipe = recipe
        self.generator = np.random.Generator(np.random.SFC64([seed, 0]))
        self.best = math.inf
        self.kept: dict[str, Tensor] = {}
        # The scheduler needs an optimiser to hold the rate; the steps are the stack's.
        self.rate = torch.optim.SGD([torch.zeros(1)], lr=recipe.lr)
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(self.rate, patience=recipe.plateau)

    @property
    def lr(self) -> float:
        return float(self.rate.param_groups[0]["lr"])

    def judge(self, state: dict[str, Tensor]) -> None:
        """Measure the network of an epoch on the validation rows, and keep it if it is the best."""
        result = self.result
        result.network.load_state_dict(state)
        with torch.no_grad():
            score = result.network(self.rows.x_valid)[:, 0]
            loss = float(torch.nn.functional.binary_cross_entropy(score, self.rows.y_valid))
        result.losses.append(loss)
        if loss < self.best:
            self.best, result.best, self.kept = loss, len(result.losses) - 1, state
        self.schedule.step(loss)

    @property
    def over(self) -> bool:
        past = len(self.result.losses) - 1 - self.result.best
        return past >= self.recipe.patience or len(self.result.losses) >= self.recipe.max_epochs

    def end(self) -> Trained:
        self.result.network.load_state_dict(self.kept)
        return self.result


def train(
    networks: Sequence[MLP],
    rows: Sequence[Rows],
    seeds: Sequence[int],
    recipe: Recipe = Recipe(),
    progress: Progress = silent,
) -> list[Trained]:
    """Train networks of one shape side by side, each on its own rows.

    A network comes out as if it were trained alone, but for rounding, and the same call gives the same bits on one
    thread. The weights of the epoch of the lowest validation loss are returned.

    Parameters
    ----------
    networks : sequence of MLP
        Where the weights start; not changed.
    rows : sequence of Rows
        As many as networks, with the same number of training rows.
    seeds : sequence of int
        Each network's seed for the order of its rows and its dropout.
    recipe : Recipe
        Settings.
    progress : callable
        Receives (networks done, networks in all, text) after each epoch.

    Returns
    -------
    list of Trained
        In the order of `networks`.

    Raises
    ------
    DataError
        When the networks have different numbers of training rows, or fewer than two.
    """
    sizes = {len(part.y_train) for part in rows}
    if len(sizes) != 1 or min(sizes) < 2:
        found = f"training tables of {', '.join(map(str, sorted(sizes)))} rows cannot be trained on side by side"
        raise DataError(Problem(found, "", "Give tables of one size, with two rows or more."))
    runs = [
        _Run(copy.deepcopy(network), part, seed, recipe)
        for network, part, seed in zip(networks, rows, seeds, strict=True)
    ]
    stack = Stack([run.result.network for run in runs])
    alive, n = runs, sizes.pop()
    features, labels = _stacked(alive)
    stack.set_rates([run.lr for run in alive])
    epoch = 0
    while alive:
        for x, y, masks in _batches(stack, alive, features, labels, n):
            stack.step(x, y, masks)
        for place, run in enumerate(alive):
            run.judge(stack.state(place))
        epoch += 1
        going = [place for place, run in enumerate(alive) if not run.over]
        if 0 < len(going) < len(alive):
            stack.keep(going)
            alive = [alive[place] for place in going]
            features, labels = _stacked(alive)
        elif not going:
            alive = []
        if alive:
            stack.set_rates([run.lr for run in alive])
        progress(len(runs) - len(alive), len(runs), f"epoch {epoch}")
    return [run.end() for run in runs]


def _stacked(runs: Sequence[_Run]) -> tuple[Tensor, Tensor]:
    """Return the training rows of all networks below each other, and their labels."""
    return torch.cat([run.rows.x_train for run in runs]), torch.cat([run.rows.y_train for run in runs])


def _batches(
    stack: Stack, runs: Sequence[_Run], features: Tensor, labels: Tensor, n: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield one epoch's batches of all networks: features [S, rows, d], labels [S, rows], dropout masks."""
    size = runs[0].recipe.batch_size
    generators = [run.generator for run in runs]
    orders = np.stack([generator.permutation(n) + place * n for place, generator in enumerate(generators)])
    order = torch.from_numpy(orders)
    whole = n // size
    # A batch of one row has no variance: it is left out, the next epoch's order is another.
    lengths = [size] * whole + ([n - whole * size] if n - whole * size > 1 else [])
    begin = 0
    while begin < len(lengths):
        end = min(begin + _STEPS_AT_ONCE, len(lengths))
        if lengths[end - 1] != lengths[begin]:
            end -= 1
        masks = stack.draw_masks(generators, end - begin, lengths[begin])
        for step in range(begin, end):
            taken = order[:, step * size : step * size + lengths[step]].reshape(-1)
            x = features.index_select(0, taken).view(len(runs), lengths[step], -1)
            yield x, labels.index_select(0, taken).view(len(runs), -1), masks[step - begin]
        begin = end
