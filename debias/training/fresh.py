"""What a freshly trained adversary still reads: bits of information, cross-fitted so that overfitting does not count.

The adversaries that a network was trained against may have been fooled, and still the information may be there. Here
new ones are trained to convergence on the finished network's outputs, on rows other than those they are measured on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from debias.errors import DataError, Problem
from debias.training.adam import Adam
from debias.training.draws import drawn_seed, generator
from debias.words import show

_HIDDEN, _RATE, _BATCH, _EPOCHS, _PATIENCE, _SLOPE = (32, 32), 2e-3, 256, 60, 6, 0.1
_INNER = 0.2  # of the training rows, to stop early
_FEWEST = 2  # rows of a category for each fold


@dataclass(frozen=True)
class Information:
    """Information that what is read holds about a category, beyond what is known anyway.

    Parameters
    ----------
    bits : float
        Mean over rows of log2 p(category | read, known) − log2 p(category | known), both by models that did not see
        the row. Near 0, or a little below, nothing can be read.
    error : float
        Its standard error over the rows.
    entropy : float
        Bits needed to tell the category by what is known alone: the most that could be read.
    rows : int
        Rows measured.
    """

    bits: float
    error: float
    entropy: float
    rows: int


def fresh_adversary(
    read: Tensor,
    codes: Tensor,
    *,
    known: Tensor | None = None,
    folds: int = 5,
    seed: int = 0,
    where: str = "category",
) -> Information:
    """Train new adversaries to convergence, and measure what they read on rows that they did not see.

    Parameters
    ----------
    read : Tensor, shape [N, p]
        What they read, such as (ŷ, ŷ y), or activations; standardised here.
    codes : Tensor of int64, shape [N]
        Categories, −1 for a row to leave out. Categories with fewer than two rows a fold are left out.
    known : Tensor, shape [N, q], optional
        What is known anyway, such as the label; else only how common each category is.
    folds : int
        Each fold is measured by adversaries trained on the others.
    seed : int
        Decides every draw.
    where : str
        Named in errors.

    Raises
    ------
    DataError
        When fewer than two categories have enough rows.
    """
    kept, dense = _dense(codes, folds, where)
    size = int(dense.max()) + 1
    seen = torch.zeros(len(kept), 0) if known is None else known[kept].to(torch.float32)
    everything = torch.cat([read[kept].to(torch.float32), seen], 1)
    fold = _folds(dense, folds, seed)
    gains, bases = torch.zeros(len(kept), dtype=torch.float64), torch.zeros(len(kept), dtype=torch.float64)
    for k in range(folds):
        train, test = fold != k, fold == k
        base = _base(seen, dense, train, test, size, drawn_seed(seed, 100 + k))
        log_p = _fitted(everything, dense, train, test, size, drawn_seed(seed, 200 + k))
        bases[test] = -base
        gains[test] = log_p - base
    bits = gains.numpy() / math.log(2)
    error = float(bits.std(ddof=1) / math.sqrt(len(bits)))
    return Information(float(bits.mean()), error, float(bases.mean()) / math.log(2), len(bits))


@dataclass(frozen=True)
class Audit:
    """What can still be read of a network.

    Parameters
    ----------
    mixed, fixed : mapping of str to Information
        About each protected attribute in the prediction of each head, for known y.
    cluster : Information or None
        About the cluster in the hidden activations.
    """

    mixed: Mapping[str, Information]
    fixed: Mapping[str, Information]
    cluster: Information | None


def audit(
    mixed: Tensor,
    fixed: Tensor,
    y: Tensor,
    sensitive: Mapping[str, Tensor],
    *,
    activations: Tensor | None = None,
    z: Tensor | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Audit:
    """Measure what fresh adversaries read of a network on rows that it was not trained on.

    Parameters
    ----------
    mixed, fixed : Tensor, shape [N]
        Predictions of both heads: probabilities or values.
    y : Tensor, shape [N]
        Labels or targets.
    sensitive : mapping of str to Tensor of int64, shape [N]
        Categories of each attribute, −1 where missing.
    activations : Tensor, shape [N, units], optional
        Of all hidden layers.
    z : Tensor of int64, shape [N], optional
        Clusters; −1 is left out.
    folds, seed : int
        See `fresh_adversary`.
    """
    heads = {}
    for name, value in (("mixed", mixed), ("fixed", fixed)):
        read = torch.stack((value, value * y), 1)
        heads[name] = {
            attribute: fresh_adversary(read, codes, known=y.unsqueeze(1), folds=folds, seed=seed, where=show(attribute))
            for attribute, codes in sensitive.items()
        }
    cluster = None
    if activations is not None and z is not None:
        cluster = fresh_adversary(activations, z, folds=folds, seed=seed, where="cluster")
    return Audit(heads["mixed"], heads["fixed"], cluster)


def _dense(codes: Tensor, folds: int, where: str) -> tuple[Tensor, Tensor]:
    """Return the rows of categories with enough rows, and their categories numbered anew."""
    counts = np.bincount(codes[codes >= 0].numpy())
    good = np.flatnonzero(counts >= _FEWEST * folds)
    if len(good) < 2:
        found = f"fewer than two categories have {_FEWEST * folds} rows or more"
        raise DataError(Problem(found, where, "Give more rows."))
    place = np.full(len(counts) + 1, -1)  # the last is that of −1
    place[good] = np.arange(len(good))
    dense = torch.from_numpy(place)[codes]
    kept = torch.nonzero(dense >= 0).squeeze(1)
    return kept, dense[kept]


def _folds(codes: Tensor, folds: int, seed: int) -> Tensor:
    """Deal rows to folds, each category evenly."""
    draws = generator(seed, 20)
    found = torch.zeros(len(codes), dtype=torch.long)
    for code in range(int(codes.max()) + 1):
        rows = torch.nonzero(codes == code).squeeze(1)
        found[rows[torch.randperm(len(rows), generator=draws)]] = torch.arange(len(rows)) % folds
    return found


def _base(known: Tensor, codes: Tensor, train: Tensor, test: Tensor, size: int, seed: int) -> Tensor:
    """Return the log probability of each test row's category by what is known anyway."""
    levels, place = np.unique(known.numpy(), axis=0, return_inverse=True)
    if len(levels) > 2:
        return _fitted(known, codes, train, test, size, seed)
    cell = (
        torch.from_numpy(np.asarray(place).reshape(-1)) if known.shape[1] else torch.zeros(len(codes), dtype=torch.long)
    )
    # add one half, so that no cell is certain
    counts = torch.full((len(levels) or 1, size), 0.5, dtype=torch.float64)
    counts.index_put_((cell[train], codes[train]), torch.ones(int(train.sum()), dtype=torch.float64), accumulate=True)
    log_p = (counts / counts.sum(1, keepdim=True)).log()
    return log_p[cell[test], codes[test]]


def _fitted(x: Tensor, codes: Tensor, train: Tensor, test: Tensor, size: int, seed: int) -> Tensor:
    """Return the log probability of each test row's category by a network trained on the training rows."""
    draws = generator(seed, 21)
    rows = torch.nonzero(train).squeeze(1)
    rows = rows[torch.randperm(len(rows), generator=draws)]
    inner = max(1, int(_INNER * len(rows)))
    held, used = rows[:inner], rows[inner:]
    mean, sd = x[used].mean(0), x[used].std(0, correction=0).clamp(min=1e-6)
    x = (x - mean) / sd
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(drawn_seed(seed, 22))
        network = _network(x.shape[1], size)
    optimizer = Adam(list(network.parameters()), _RATE)
    best, since, kept = math.inf, 0, network.state_dict()
    for _ in range(_EPOCHS):
        for chosen in torch.split(used[torch.randperm(len(used), generator=draws)], _BATCH):
            loss = nn.functional.cross_entropy(network(x[chosen]), codes[chosen])
            optimizer.step(loss)
        with torch.no_grad():
            measured = float(nn.functional.cross_entropy(network(x[held]), codes[held]))
        since += 1
        if measured < best:
            best, since = measured, 0
            kept = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if since >= _PATIENCE:
            break
    network.load_state_dict(kept)
    with torch.no_grad():
        log_p = torch.log_softmax(network(x[test]).to(torch.float64), 1)
    return log_p.gather(1, codes[test].unsqueeze(1)).squeeze(1)


def _network(width: int, size: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for units in _HIDDEN:
        layers += [nn.Linear(width, units), nn.LeakyReLU(_SLOPE)]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, size))
