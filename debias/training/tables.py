"""Rows of a raw table as training reads them, and the columns that a swapped attribute changes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from debias.contract import Contract
from debias.data.clustered import Clustered
from debias.data.sample import IntArray, Sample
from debias.data.swap import NoSwap, find_swap
from debias.training.rows import Rows, Swap


def rows_of(table: Clustered, contract: Contract, index: IntArray, swaps: Mapping[str, Swap] | None = None) -> Rows:
    """Return rows of a table as tensors.

    Parameters
    ----------
    table : Clustered
        The table that the contract comes from, or one read like it.
    contract : Contract
        Encodes the features.
    index : ndarray of int64
        Positions of the rows.
    swaps : mapping of str to Swap, optional
        Of the training rows. Default: found anew.

    Returns
    -------
    Rows
        An attribute with a group that no input value stands for has no swap.
    """
    sample = table.sample(contract, index)
    return Rows(
        x=sample.inputs["features"],
        y=torch.from_numpy(table.outcome[index].astype(np.float32)),
        z=torch.from_numpy(table.codes[index]),
        n_clusters=len(table.names),
        sensitive={name: torch.from_numpy(each.codes) for name, each in sample.attributes.items()},
        categories={name: len(each.groups) for name, each in sample.attributes.items()},
        swaps=_swaps(table, contract, sample) if swaps is None else swaps,
    )


def _swaps(table: Clustered, contract: Contract, sample: Sample) -> dict[str, Swap]:
    found = {}
    whole: Sample | None = None
    for name, grouping in table.groupings.items():
        swap = find_swap(sample, name, grouping, contract)
        if not isinstance(swap, NoSwap) and not swap.known.all():
            # A group without training rows: how its values are encoded shows in the others.
            whole = whole or table.sample(contract)
            swap = find_swap(whole, name, grouping, contract)
        if not isinstance(swap, NoSwap) and swap.known.all():
            columns = tuple(column for _, column in swap.values)
            found[name] = Swap(columns, torch.from_numpy(np.stack(list(swap.values.values()), axis=1)).float())
    return found
