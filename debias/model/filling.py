"""A unit replaced by its mean: what the unit sent on the average moves into the biases of its consumers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from debias.model.evaluation import Evaluation
from debias.model.folding import affine
from debias.model.layers import Column, Layer
from debias.model.network import Network
from debias.model.program import Param
from debias.model.reading import shared_entries


def filling_reasons(network: Network, layer: Layer) -> tuple[str, ...]:
    """Return why no bias can hold the mean of a layer's units; nothing where it can."""
    if not layer.columns:
        return ("its units go elsewhere than to fully connected layers, so no bias can hold their mean",)
    shared = shared_entries(network.program, network.state)
    found = []
    for column in layer.columns:
        bias = network.program.by_name[column.node].argument(2)
        place = column.weight.rpartition(".")[0] or column.weight
        if not isinstance(bias, Param):
            found.append(f"its consumer {place} has no bias to hold the mean")
        elif bias.name in shared:
            found.append(f"its consumer's bias {bias.name} is shared")
    return tuple(dict.fromkeys(found))


def filled_entries(network: Network, layer: Layer) -> tuple[str, ...]:
    """Return the entries of the state that change: weights and biases of the consumers."""
    biases = [network.program.by_name[column.node].args[2].name for column in layer.columns]
    return tuple(dict.fromkeys([*(column.weight for column in layer.columns), *biases]))


def filled(
    evaluation: Evaluation,
    layer: Layer,
    units: Sequence[int],
    share: Tensor,
    state: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Return the entries of `state` that change when `units` of a layer are replaced by their means.

    Each consumer's weights for the units become 0, and its bias grows by weight times mean: exactly what it would
    compute if the units were constant at their means.

    Parameters
    ----------
    evaluation : Evaluation
        The network as it is now, on the rows over which the means go.
    layer : Layer
        Has no `filling_reasons`.
    units : sequence of int
        Units of this layer.
    share : Tensor, shape [N]
        Weight of each row in the mean; sums to 1.
    state : mapping of str to Tensor
        What the changes are made to; not changed.
    """
    changed: dict[str, Tensor] = {}
    with torch.no_grad():
        for column in layer.columns:
            dense = evaluation.folded.dense[column.node]
            places = [column.offset + unit for unit in units]
            weight = changed.get(column.weight, state[column.weight]).clone()
            name = dense.node.args[2].name
            toward = weight[:, places] @ _means(evaluation, column, places, share)
            changed[name] = changed.get(name, state[name]) + toward
            weight[:, places] = 0
            changed[column.weight] = weight
    return changed


def _means(evaluation: Evaluation, column: Column, places: Sequence[int], share: Tensor) -> Tensor:
    """Return the means of the units as a consumer reads them, behind a normalisation that was folded into it."""
    dense = evaluation.folded.dense[column.node]
    source = evaluation.folded.program.by_name[column.node].args[0].name
    value: Tensor = evaluation.env[source].detach()
    means = share.to(value) @ value[:, places]
    if dense.before is not None:
        scale, shift = affine(dense.before, evaluation.state)
        means = scale[places] * means + shift[places]
    return means.to(evaluation.state[column.weight])
