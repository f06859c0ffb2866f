"""The two kinds of numbers of a mixed-effects network: fixed ones for everybody, random ones of each cluster.

Fair MEDL section 2.2: the mixed-effects prediction reads the cluster input z; with z = 0 the same network gives the
fixed-effects prediction.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from debias.contract import Contract
from debias.data.sample import Sample
from debias.errors import ContractError, ModelError, Problem
from debias.model.archive import Archive, archive_of

if TYPE_CHECKING:
    from debias.model.network import Network

Edit = Literal["fe", "fe+re"]
"""What a method may change: the fixed effects, or the means of the random effects too."""
LEAST_SD = 1e-5
"""The posterior SD of a random effect is this plus softplus(ρ)."""


def problems(contract: Contract, state: Mapping[str, Tensor], where: str) -> list[Problem]:
    """Return what is wrong with a contract's effects, given the numbers of the file."""
    if contract.effects is None:
        return []
    effects, remedy = contract.effects, "Give the contract that belongs to this file."
    names = [*effects.fixed, *(name for item in effects.random for name in (item.mean, item.spread) if name)]
    found = [Problem(f"effects: the file has no entry {name}", where, remedy) for name in names if name not in state]
    clusters = len(contract.clusters)
    for item in effects.random:
        mean = state.get(item.mean)
        if mean is not None and (mean.ndim != 2 or len(mean) != clusters):
            shape = list(mean.shape)
            found.append(Problem(f"effects: {item.mean} is {shape}, not [{clusters} clusters, …]", where, remedy))
        spread = None if item.spread is None else state.get(item.spread)
        if mean is not None and spread is not None and spread.shape != mean.shape:
            found.append(Problem(f"effects: {item.spread} and {item.mean} differ in shape", where, remedy))
    return found


def fixed(sample: Sample) -> Sample:
    """Return the rows with the cluster input at zero: the network then gives the fixed-effects prediction."""
    return replace(sample, inputs={**sample.inputs, "cluster": torch.zeros_like(sample.inputs["cluster"])})


def has_fixed_head(network: Network) -> bool:
    """Return True for a network whose fixed-effects prediction is the one at z = 0."""
    return network.contract is not None and network.contract.effects is not None


def posterior_sds(network: Network) -> dict[str, Tensor]:
    """Return the posterior SD of every random effect, by the state entry of its mean [clusters, coefficients]."""
    effects = None if network.contract is None else network.contract.effects
    return {
        item.mean: LEAST_SD + torch.nn.functional.softplus(network.state[item.spread])
        for item in (effects.random if effects else ())
        if item.spread is not None
    }


def draw(network: Network, generator: np.random.Generator) -> dict[str, Tensor]:
    """Return one draw of the random effects from their posterior, as entries of the state.

    Parameters
    ----------
    network : Network
        Its contract tells means and spreads.
    generator : numpy Generator
        Moves on.
    """
    return {
        name: network.state[name] + sd * torch.from_numpy(generator.standard_normal(tuple(sd.shape))).to(sd)
        for name, sd in posterior_sds(network).items()
    }


def editable(network: Network, edit: Edit, rows: int) -> Network:
    """Return the network with the parameters that a method may change.

    The means of random effects are kept near where they are: `Network.anchors` tells their posterior SD. What that
    counts for is 1 / `rows`, as the Kullback-Leibler term does in training (Fair MEDL eq. 1, with λ_K = 1 / n).

    Parameters
    ----------
    network : Network
    edit : {"fe", "fe+re"}
    rows : int
        Rows that gradients are taken on.

    Raises
    ------
    ContractError
        ``fe+re`` without a contract that tells the random effects.
    """
    effects = None if network.contract is None else network.contract.effects
    if effects is None:
        if edit == "fe":
            return network
        found = "the file's contract does not say which of its numbers are random effects"
        remedy = "Leave --edit out, or give a contract with effects."
        raise ContractError(Problem(found, str(network.archive.path), remedy))
    chosen = set(effects.fixed) & set(network.parameters)
    if edit == "fe":
        return replace(network, parameters=_ordered(network, chosen))
    sds = posterior_sds(network)
    chosen |= {item.mean for item in effects.random}
    return replace(network, parameters=_ordered(network, chosen), anchors=sds, anchor_weight=1 / rows)


def _ordered(network: Network, chosen: set[str]) -> tuple[str, ...]:
    return tuple(name for name in network.parameters if name in chosen)


def shift(network: Network, state: Mapping[str, Tensor]) -> dict[str, float]:
    """Return how far random effects have moved, in posterior SDs: the largest of each changed entry."""
    return {
        name: float(((state[name] - network.state[name]).abs() / sd).max())
        for name, sd in posterior_sds(network).items()
        if name in state
    }


def filled(network: Network, sample: Sample, policy: Literal["soft", "hard", "zero", "error"]) -> Sample:
    """Return the rows with the cluster input of unknown clusters filled in.

    Parameters
    ----------
    network : Network
        Its file carries the predictor of the cluster (Fair MEDL Fig. 1, subnetwork 6).
    sample : Sample
        Its cluster input is zero in rows of unknown clusters.
    policy : str
        soft: the predicted probabilities; hard: 1 for the likeliest; zero: zeros.

    Raises
    ------
    ContractError
        soft or hard, and the file has no predictor.
    """
    if sample.clusters is None or "cluster" not in sample.inputs or policy in {"zero", "error"}:
        return sample
    rows = torch.from_numpy(np.flatnonzero(~sample.clusters.seen))
    if not len(rows):
        return sample
    inputs = sample.inputs["cluster"].clone()
    with torch.no_grad():
        soft = cluster_predictor(network)(sample.inputs["features"][rows].float())
    if network.contract is not None and network.contract.effects is not None:
        # clusters that were added later, which the predictor has never seen
        later = inputs.shape[1] - (network.contract.effects.predictor_clusters or inputs.shape[1])
        soft = torch.nn.functional.pad(soft, (0, later)) if soft.ndim == 2 else soft
    if soft.shape != inputs[rows].shape or not bool(torch.isfinite(soft).all()):
        found = f"the predictor of the cluster gives {list(soft.shape)} or numbers that are not finite"
        raise ModelError(Problem(found, str(network.archive.path), "Use --unseen-z zero."))
    if policy == "hard":
        soft = torch.nn.functional.one_hot(soft.argmax(1), soft.shape[1])
    inputs[rows] = soft.to(inputs)
    return replace(sample, inputs={**sample.inputs, "cluster": inputs})


def cluster_predictor(network: Network) -> Any:
    """Return the predictor of the cluster that the file carries, checked and loaded.

    Raises
    ------
    ContractError
        The contract names none, or another than the one in the file.
    ModelError
        The pre-flight refuses it.
    """
    effects = None if network.contract is None else network.contract.effects
    where = str(network.archive.path)
    if effects is None or effects.predictor is None:
        found = "the file has no predictor of the cluster"
        raise ContractError(Problem(found, where, "Use --unseen-z zero, or remove rows of clusters it does not know."))
    return predictor_archive(network.archive, effects.predictor, effects.predictor_sha256 or "").load().eval()  # type: ignore[union-attr]


def predictor_archive(archive: Archive, entry: str, sha256: str) -> Archive:
    """Return the checked predictor of the cluster from a model file's extra entry (base64 text)."""
    where = f"{archive.path}: {entry}"
    text = archive.extra.get(entry)
    try:
        content = None if text is None else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = None
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        found = "is not in the file" if text is None else "is not the file that the contract names (SHA-256)"
        raise ContractError(
            Problem(f"the predictor of the cluster {found}", where, "Take the model as it was written.")
        )
    return archive_of(content, type(archive.path)(where), trust=archive.trusted)
