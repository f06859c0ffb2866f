"""The attribute swap of a table that is read a batch at a time: which inputs to set, and sums of what then changes.

How an attribute is set is found as for a whole table, on a few rows that stand for it: the distinct values of the
attribute's columns, encoded, and for other inputs the one value that each group has, or two different ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from debias.contract import Contract
from debias.data.encode import already_encoded, encode, to_tensor_type
from debias.data.sample import Sample
from debias.data.settling import Settled
from debias.data.swap import NoSwap, Swap, find_swap
from debias.data.values import to_numbers
from debias.fairness.counts import FloatArray, IntArray
from debias.model.network import Network
from debias.run.opening import dtype_name, tells
from debias.run.streaming.telling import Flags, Telling, Values
from debias.run.swapping import Swapped

Followed = Mapping[tuple[str, str], Telling]
"""By name of the attribute and role of the input."""


def ways(settled: Settled, network: Network, telling: Followed | None = None) -> dict[str, Swap | NoSwap]:
    """Return how the inputs are set to the groups of each attribute.

    Parameters
    ----------
    settled : Settled
    network : Network
    telling : mapping, optional
        What all rows showed; without it only inputs that are made from an attribute's own columns are known.
    """
    found: dict[str, Swap | NoSwap] = {}
    features = settled.roles.features if settled.roles.encoded_by is None else None
    for name, grouping in settled.groupings.items():
        sample, amounts = standing(settled, network, name, telling)
        found[name] = find_swap(sample, name, grouping, network.contract, features, amounts)
    return found


def uses_attribute(settled: Settled, network: Network, telling: Followed) -> bool:
    """Return True where a column of the inputs tells one of the attributes."""
    if any(item.role == "group" for item in network.inputs):
        return True
    for name, attribute in settled.attributes.items():
        sample, _ = standing(settled, network, name, telling)
        if attribute.is_input or tells(sample, sample.attributes[name].codes):
            return True
    return False


def standing(settled: Settled, network: Network, name: str, telling: Followed | None) -> tuple[Sample, IntArray]:
    """Return rows that stand for all where an attribute is concerned, and how many rows each stands for."""
    table, attribute = settled.table, settled.attributes[name]
    assert table.amounts is not None
    kept = np.flatnonzero(settled.cell_of >= 0)
    group = attribute.codes[settled.cell_of[kept]]
    inputs = {}
    for role, width in roles_of(settled).items():
        known = None if telling is None else telling[name, role]
        if known is None:
            known = replace(Telling.none(width, np.ones(len(attribute.groups), bool)), same=np.zeros((1, width), bool))
        block = np.concatenate([known.rows(group, more) for more in (0, 1)]).astype(dtype_name(network))
        if role == "features":
            _overlay(block, settled, name, network, kept)
        inputs[role] = torch.from_numpy(block)
    both = np.concatenate([group, group])
    sample = Sample(
        inputs=inputs,
        y=np.zeros(len(both), np.int64),
        attributes={name: replace(attribute, codes=both)},
        rows=np.arange(1, len(both) + 1, dtype=np.int64),
        name=table.name,
    )
    return sample, np.tile(table.amounts[kept], 2)


def roles_of(settled: Settled) -> dict[str, int]:
    """Return the number of columns of each input of the network by role."""
    contract = settled.roles.encoded_by
    if contract is None:
        return {"features": len(settled.roles.features)}
    found: dict[str, int] = {}
    for feature in contract.features:
        found[feature.role] = found.get(feature.role, 0) + feature.width
    return found


def _overlay(block: Values, settled: Settled, name: str, network: Network, kept: IntArray) -> None:
    """Write the columns that are made from the attribute's own."""
    table, contract = settled.table, settled.roles.encoded_by
    parts = {each.column for each in settled.groupings[name].columns}
    dtype = dtype_name(network)
    if contract is None:
        for place, column in enumerate(settled.roles.features):
            if column in parts:
                numbers = to_tensor_type(to_numbers(table.frame[column])[0][kept], dtype)
                block[:, place] = np.tile(numbers, 2)
        return
    if already_encoded(settled.roles, contract):
        return
    start = 0
    for feature in contract.features:
        if feature.role == "features":
            if feature.column in parts:
                encoded, _, _ = encode(table, Contract(features=(feature,)), dtype)
                if encoded is not None:
                    values = to_tensor_type(encoded["features"], dtype)[kept]
                    block[:, start : start + feature.width] = np.concatenate([values, values])
            start += feature.width


def followed(settled: Settled) -> dict[tuple[str, str], Telling]:
    """Return what is known of each attribute and input before any row has been seen."""
    return {
        (name, role): Telling.none(width, _single(settled, name))
        for name in settled.groupings
        for role, width in roles_of(settled).items()
    }


def _single(settled: Settled, name: str) -> Flags:
    """Return which groups stand for one value, or one combination of values."""
    grouping = settled.groupings[name]
    sizes = np.bincount(list(grouping.cells.values()), minlength=len(grouping.names))
    if grouping.missing is not None:
        sizes[grouping.missing] += 2
    present = np.isin(np.arange(len(sizes)), settled.attributes[name].codes)
    found: Flags = (sizes == 1) & present
    return found if found.any() else present


def change(network: Network, sample: Sample, codes: IntArray, own: FloatArray, way: Swap) -> FloatArray:
    """Return Σ w \\|change\\| and Σ w over rows and the other groups that their inputs can be set to.

    Parameters
    ----------
    network : Network
    sample : Sample
    codes : ndarray of int64, shape [N]
        Group of each row; −1 where it is missing.
    own : ndarray of float64, shape [N]
        The predictions as they are.
    way : Swap
    """
    total = np.zeros(2)
    for group in map(int, np.flatnonzero(way.known)):
        rows = np.flatnonzero((codes >= 0) & (codes != group))
        if len(rows):
            part = sample.take(rows)
            found = network.head.probabilities(network.outputs(way.to(part, group))).double().numpy()
            apart = np.abs(own[rows] - found)
            weight = np.ones(len(rows)) if part.weight is None else part.weight
            total += float(weight @ apart), float(weight.sum())
    return total


def told(way: Swap | NoSwap, sums: FloatArray | None) -> Swapped:
    """Return the attribute swap from its sums."""
    if isinstance(way, NoSwap):
        return Swapped(None, way.reason)
    assert sums is not None
    if not sums[1] > 0:
        return Swapped(None, "no row belongs to a group that can be swapped", way.notes)
    return Swapped(float(sums[0] / sums[1]), None, way.notes)
