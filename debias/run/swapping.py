"""The attribute swap of a network on given rows: its predictions with the attribute set to each other group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from debias.data.sample import Attribute, Sample
from debias.data.swap import NoSwap, Swap, find_swap
from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.swap import attribute_swap
from debias.run.opening import Opened

_ROWS_AT_ONCE = 65_536

Predict = Callable[[Sample], FloatArray]
"""Probabilities, or predicted numbers, of rows [N]."""


@dataclass(frozen=True)
class Swapped:
    """The attribute swap of one attribute, or why there is none.

    Parameters
    ----------
    value : float or None
        Eq. 6 of the Fair MEDL paper; of a regression eq. 7.
    reason : str or None
        Why it is undefined.
    notes : tuple of str
        What a reader should know.
    """

    value: float | None
    reason: str | None = None
    notes: tuple[str, ...] = field(default=())


def predictions(opened: Opened) -> Predict:
    """Return the file's own forward as probabilities of the positive label, or as predicted numbers."""
    network = opened.network
    return lambda sample: network.head.probabilities(network.outputs(sample)).double().numpy()


def swaps(opened: Opened) -> dict[str, Swap | NoSwap]:
    """Return how the inputs of a network are set to the groups of each attribute."""
    data = opened.data
    features = data.features if data.encoding == "plain" else None
    return {
        name: find_swap(data.sample, name, grouping, opened.network.contract, features)
        for name, grouping in data.groupings.items()
    }


def swapped(
    opened: Opened,
    sample: Sample,
    own: FloatArray,
    predict: Predict | None = None,
    ways: Mapping[str, Swap | NoSwap] | None = None,
) -> dict[str, Swapped]:
    """Return the attribute swap of every attribute.

    Parameters
    ----------
    opened : Opened
        The network, and the rows that tell what stands for a group.
    sample : Sample
        The rows to measure on.
    own : ndarray of float64, shape [N]
        Their predictions as they are.
    predict : callable, optional
        What predicts; default: the file's own forward.
    ways : mapping, optional
        What `swaps` returned, where it was called before.
    """
    predict = predict or predictions(opened)
    return {
        name: _one(sample, sample.attributes[name], own, way, predict)
        for name, way in (swaps(opened) if ways is None else ways).items()
    }


def _one(sample: Sample, attribute: Attribute, own: FloatArray, way: Swap | NoSwap, predict: Predict) -> Swapped:
    if isinstance(way, NoSwap):
        return Swapped(None, way.reason)
    codes = attribute.codes
    changed = np.full((len(attribute.groups), len(sample)), np.nan)
    for group in map(int, np.flatnonzero(way.known)):
        changed[group] = own  # of the rows that belong to it
        for rows in _parts(np.flatnonzero((codes >= 0) & (codes != group))):
            changed[group, rows] = predict(way.to(sample.take(rows), group))
    value = attribute_swap(changed, codes, own, sample.weight)
    return Swapped(value, None if value is not None else "no row belongs to a group that can be swapped", way.notes)


def _parts(rows: IntArray) -> Iterator[IntArray]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]
