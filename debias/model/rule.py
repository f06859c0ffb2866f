"""A rule: how a logit becomes a decision, by group."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from debias.errors import DataError, Problem, UsageError
from debias.words import count, listing

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PRIME = 2**31 - 1
"""Draws are numbers of the field of this many elements, over `PRIME`."""
ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Rule:
    """A cut for each group, and what is decided below and above it.

    Parameters
    ----------
    attribute : str
        The protected attribute whose groups are told apart.
    groups : tuple of str
        Names of its K groups, in the order of their codes.
    cuts : ndarray of float64, shape [K]
        Cut of each group on the logit scale.
    below, above : ndarray of float64, shape [K]
        Probability of the positive decision at or below, and above the cut. 0 and 1 are plain thresholds; where a
        probability lies between, a seeded hash of the person's features decides.
    seed : int
        Seed of the hash, 0 or more.

    Raises
    ------
    UsageError
        With everything that is wrong.
    """

    attribute: str
    groups: tuple[str, ...]
    cuts: FloatArray
    below: FloatArray
    above: FloatArray
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        for name in ("cuts", "below", "above"):
            values = np.array(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, values)
            if values.shape != (len(self.groups),):
                problems.append(Problem(f"{values.shape} {name} for {count(len(self.groups), 'group')}", "rule"))
            elif not np.isfinite(values).all():
                problems.append(Problem(f"{name} that are not finite", "rule"))
            elif name != "cuts" and ((values < 0) | (values > 1)).any():
                problems.append(Problem(f"{name} outside of 0 to 1", "rule"))
        if len(self.groups) < 2:
            problems.append(Problem("a rule needs two groups or more", "rule"))
        if problems:
            raise UsageError(problems)

    @property
    def plain(self) -> bool:
        """True where the rule is a threshold for each group and nothing is drawn."""
        return bool((self.below == 0).all() and (self.above == 1).all())

    @property
    def randomised(self) -> bool:
        """True where some decision is drawn."""
        chances = np.concatenate([self.below, self.above])
        return bool(((chances > 0) & (chances < 1)).any())

    def constants(self, width: int) -> tuple[Tensor, Tensor]:
        """Return the hash's multipliers [width] and keys [3], int64 in [1, 2^31 − 1)."""
        numbers = [_constant(self.seed, place) for place in range(ROUNDS + width)]
        return torch.tensor(numbers[ROUNDS:], dtype=torch.int64), torch.tensor(numbers[:ROUNDS], dtype=torch.int64)

    def draws(self, features: Tensor) -> FloatArray:
        """Return the draw of each row [N] in [0, 1); see `draw`."""
        multipliers, keys = self.constants(features.shape[1])
        drawn: FloatArray = draw(features, multipliers, keys).numpy()
        return drawn

    def decide(self, logits: npt.NDArray[np.floating[Any]], codes: IntArray, draws: FloatArray) -> Mask:
        """Return the decisions [N].

        Parameters
        ----------
        logits : ndarray, shape [N]
            Scores on the logit scale.
        codes : ndarray of int64, shape [N]
            Group of each row.
        draws : ndarray of float64, shape [N]
            A draw in [0, 1) of each row; it matters only where the rule's probability lies between 0 and 1.

        Raises
        ------
        DataError
            If a row is in none of the groups.
        """
        unseen = np.flatnonzero((codes < 0) | (codes >= len(self.groups)))
        if len(unseen):
            raise DataError(
                Problem(
                    f"{count(len(unseen), 'row')} in none of the groups {listing(self.groups)}",
                    f"attribute {self.attribute!r}",
                    "A rule by group cannot decide them: leave them out (--missing-attr drop).",
                )
            )
        above = logits.astype(np.float64) > self.cuts[codes]
        decided: Mask = draws < np.where(above, self.above[codes], self.below[codes])
        return decided


def draw(features: Tensor, multipliers: Tensor, keys: Tensor) -> Tensor:
    """Return a number in [0, 1) for each row, a seeded hash of its features rounded to 2^-10.

    A row of integers q is hashed to Σ a_j q_j in the field of 2^31 − 1 elements (Carter and Wegman 1979: two
    different rows share a value with probability 2^-31 over the seeds), and then permuted by three rounds of
    h ↦ (h + key)^5, which keeps different values apart and leaves nothing of the sum's order. All of it is integer
    arithmetic without overflow, so that TorchScript, torch.export and Python agree.

    Parameters
    ----------
    features : Tensor, shape [N, d]
        float32 or float64; beyond ±2^43 all numbers count as one.
    multipliers, keys : Tensor of int64, shapes [d] and [3]
        From `Rule.constants`.

    Returns
    -------
    Tensor of float64, shape [N]
    """
    columns = torch.remainder(torch.remainder(rounded_features(features), 2147483647) * multipliers, 2147483647)
    hashed = torch.remainder(columns.sum(1), 2147483647)
    for number in range(3):
        hashed = torch.remainder(hashed + keys[number], 2147483647)
        square = torch.remainder(hashed * hashed, 2147483647)
        fourth = torch.remainder(square * square, 2147483647)
        hashed = torch.remainder(fourth * hashed, 2147483647)
    return hashed.to(torch.float64) / 2147483647.0


def rounded_features(features: Tensor) -> Tensor:
    """Return the features in units of 2^-10, int64 [N, d]."""
    return torch.round(features * 1024.0).clamp(-9007199254740992.0, 9007199254740992.0).to(torch.int64)


def shared_draws(features: Tensor) -> float:
    """Return the share of rows [N, d] that share their draw with another row: equal features, rounded to 2^-10."""
    if not len(features):
        return 0.0
    rows = rounded_features(features).numpy()
    _, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return float((counts[inverse.reshape(-1)] > 1).mean())


def _constant(seed: int, place: int) -> int:
    digest = hashlib.sha256(f"debias/rule/1:{seed}:{place}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % (PRIME - 1)
