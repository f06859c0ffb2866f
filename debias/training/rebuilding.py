"""A mixed-effects network made again from the numbers of its file, so that clusters can be added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from debias.errors import ModelError, Problem
from debias.training.networks import MixedEffects

_REMEDY = "Take a mixed-effects file that debias wrote: debias train medl, or fair-adb-medl."


def rebuilt(
    state: Mapping[str, Tensor], *, width: int, clusters: int, regression: bool, where: str
) -> list[MixedEffects]:
    """Return the mixed-effects networks that have exactly these numbers, in eval mode.

    There are two where the last hidden layer is as wide as the input: slopes may act on either. Their predictions
    tell which one the file holds.

    Parameters
    ----------
    state : mapping of str to Tensor
        The file's numbers by name.
    width, clusters : int
        Number of features d and of clusters K.
    regression : bool
        The file predicts a number.
    where : str
        File, for messages.

    Raises
    ------
    ModelError
        The names, shapes or type of the numbers are not those of `MixedEffects`: every entry that does not fit.
    """
    hidden = _hidden(state)
    slope = state.get("slope.mean")
    wide = slope.shape[1] if slope is not None and slope.ndim == 2 else width
    fits: dict[Literal["input", "latent"], bool] = {
        "input": wide == width,
        "latent": bool(hidden) and wide == hidden[-1],
    }
    variants = [slopes for slopes, fit in fits.items() if fit] or ["input"]
    found = [_empty(width, clusters, hidden or [1], regression, slopes) for slopes in variants]
    if problems := _misfits(found[0], state, where):
        raise ModelError(problems)
    for module in found:
        module.load_state_dict(dict(state))
    return [module.eval() for module in found]


def _hidden(state: Mapping[str, Tensor]) -> list[int]:
    """Return the units of each hidden layer, as far as their weights are there."""
    found: list[int] = []
    while (weight := state.get(f"fe.layers.{len(found)}.weight")) is not None and weight.ndim == 2:
        found.append(len(weight))
    return found


def _empty(
    width: int, clusters: int, hidden: Sequence[int], regression: bool, slopes: Literal["input", "latent"]
) -> MixedEffects:
    with torch.random.fork_rng(devices=[]):
        return MixedEffects(width, clusters, hidden, regression, slopes)


def _misfits(module: MixedEffects, state: Mapping[str, Tensor], where: str) -> list[Problem]:
    """Return which entries of a state are not those of a network."""
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in state]
    strange = [name for name in state if name not in wanted]
    found = []
    if missing:
        found.append(f"it has no entry {', '.join(missing)}")
    if strange:
        found.append(f"such a network has no entry {', '.join(strange)}")
    for name in wanted.keys() & state.keys():
        value, own = state[name], wanted[name]
        if value.shape != own.shape:
            found.append(f"{name} is {list(value.shape)}, not {list(own.shape)}")
        elif value.dtype != own.dtype:
            found.append(f"{name} holds {value.dtype}, not {own.dtype}")
    told = "it is no mixed-effects network of debias train"
    return [Problem(f"{told}: {one}", where, _REMEDY) for one in sorted(found)]
