"""A mixed-effects file with clusters added: made again from its numbers, and held against the file it comes from."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from debias.contract import Contract, Feature
from debias.errors import ContractError, ModelError, Problem
from debias.model.archive import archive_of
from debias.model.network import Network, from_archive
from debias.model.seal import sealed
from debias.run.adapting.rows import Labelled, Newcomer
from debias.training.export import Format, program_of
from debias.training.fewshot import Estimate, estimate, with_cluster
from debias.training.networks import MixedEffects
from debias.training.rebuilding import rebuilt

NEAR = 1e-5
"""How far predictions of the network made again may lie from the file's, relative to their size."""
ENTRIES = {("slope.mean", "slope.rho"), ("intercept.mean", "intercept.rho")}
_TRAIN = "Take a mixed-effects file that debias wrote: debias train medl, or fair-adb-medl."


@dataclass(frozen=True)
class Base:
    """A network to which clusters can be added.

    Parameters
    ----------
    network : Network
        The file.
    contract : Contract
        Its contract, which tells the random effects.
    prior_sd : float
        Standard deviation of the prior of every random effect.
    candidates : tuple of MixedEffects
        Networks with the file's numbers: their slopes may act on the input or on the last hidden layer.
    """

    network: Network
    contract: Contract
    prior_sd: float
    candidates: tuple[MixedEffects, ...]

    @classmethod
    def of(cls, network: Network) -> Base:
        """Return a file as one to which clusters can be added.

        Raises
        ------
        ContractError
            With every reason why its contract does not allow that.
        ModelError
            Its numbers are not those of such a network.
        """
        where, contract = str(network.archive.path), network.contract
        if any(item.role == "group" for item in network.inputs):
            found = "the file decides by group, by the rule of an earlier repair, which no added cluster has part in"
            raise ContractError(Problem(found, where, "Add the clusters to the file before that repair."))
        if contract is None or contract.effects is None:
            found = "its contract tells no random effects, so there is none to estimate"
            raise ContractError(Problem(found, where, _TRAIN))
        effects, problems = contract.effects, []
        if {(item.mean, item.spread) for item in effects.random} != ENTRIES:
            names = ", ".join(item.mean for item in effects.random)
            problems.append(Problem(f"its random effects are {names}, not a slope and an intercept", where, _TRAIN))
        priors = {item.prior_sd for item in effects.random}
        if len(priors) > 1 or None in priors:
            told = "no prior" if None in priors else "two different priors"
            problems.append(Problem(f"its contract tells {told} of the random effects", where, _TRAIN))
        if any(item.missing == "category" for item in contract.features if item.role == "cluster"):
            problems.append(Problem("its cluster input has a column for rows without a cluster", where, _TRAIN))
        if problems:
            raise ContractError(problems)
        candidates = rebuilt(
            network.state,
            width=contract.width(),
            clusters=len(contract.clusters),
            regression=contract.task == "regression",
            where=where,
        )
        return cls(network, contract, next(prior for prior in priors if prior is not None), tuple(candidates))

    def module(self, features: Tensor) -> MixedEffects:
        """Return the network made again, that of the candidates which predicts the same.

        Parameters
        ----------
        features : Tensor, shape [N, d]
            Rows on which it is held against the file.

        Raises
        ------
        ModelError
            The file predicts something else.
        """
        x, z = every_cluster(features, len(self.contract.clusters))
        own = called(self.network, x, z)
        with torch.no_grad():
            gaps = [float((module(x, z) - own).abs().max()) for module in self.candidates]
        best = int(np.argmin(gaps))
        if not gaps[best] <= NEAR * max(1.0, float(own.abs().max())):
            told = f"it predicts something else than a network of debias train with its numbers: {gaps[best]:.3g} off"
            raise ModelError(Problem(told, str(self.network.archive.path), _TRAIN))
        return self.candidates[best]


def every_cluster(features: Tensor, clusters: int) -> tuple[Tensor, Tensor]:
    """Return rows of every cluster, and as many of none: x and one-hot z [2 max(N, K), …], the features in turn."""
    n = max(len(features), clusters)
    x = features[torch.arange(n) % len(features)]
    z = torch.nn.functional.one_hot(torch.arange(n) % clusters, clusters).to(x)
    return torch.cat([x, x]), torch.cat([z, torch.zeros_like(z)])


def called(network: Network, x: Tensor, z: Tensor) -> Tensor:
    """Return what the file's own forward gives [N]."""
    inputs = {"features": x, "cluster": z}
    return network.call({item.name: inputs[item.role] for item in network.inputs}).reshape(-1)


def estimated(base: Base, module: MixedEffects, labelled: Labelled, newcomer: Newcomer) -> Estimate:
    """Return the effects of a cluster from its labelled rows, as training would have seen them."""
    effects = base.contract.effects
    assert effects is not None
    used = torch.from_numpy(newcomer.used)
    y = torch.from_numpy(labelled.outcome[newcomer.used])
    weight = None
    if effects.label_weights is not None:
        weight = torch.where(y == 1, effects.label_weights[1], effects.label_weights[0])
    if effects.folded:
        # A repair moved every logit to move the cut; without this an intercept would move its cluster's back.
        module = copy.deepcopy(module)
        with torch.no_grad():
            module.fe.out.bias.sub_(effects.folded)
    x = labelled.sample.inputs["features"][used]
    return estimate(module, x, y, prior_sd=base.prior_sd, weight=weight)


def extended(contract: Contract, names: Sequence[str]) -> Contract:
    """Return the contract of the file that knows these clusters too, the last columns of its cluster input."""
    effects = contract.effects
    assert effects is not None
    if effects.predictor is not None:
        known = effects.predictor_clusters or len(contract.clusters)
        effects = effects.model_copy(update={"predictor_clusters": known})
    features = tuple(_longer(item, names) if item.role == "cluster" else item for item in contract.features)
    inputs = tuple(
        item.model_copy(update={"width": item.width + len(names)}) if item.role == "cluster" and item.width else item
        for item in contract.inputs
    )
    changed = contract.model_copy(update={"features": features, "inputs": inputs, "effects": effects})
    return Contract.model_validate(changed.model_dump())


def _longer(feature: Feature, names: Sequence[str]) -> Feature:
    columns = None if feature.columns is None else (*feature.columns, *(f"{feature.column}_{name}" for name in names))
    return feature.model_copy(update={"categories": (*(feature.categories or ()), *names), "columns": columns})


@dataclass(frozen=True)
class Grown:
    """The network with clusters added, as a program that a file can hold.

    Parameters
    ----------
    base : Base
        What it comes from.
    contract : Contract
        See `extended`.
    program : ScriptModule or ExportedProgram
    out : Path
        Where the file will stand.
    """

    base: Base
    contract: Contract
    program: object
    out: Path

    @classmethod
    def of(cls, base: Base, module: MixedEffects, found: Mapping[str, Estimate], form: Format, out: Path) -> Grown:
        """Return the network with the clusters of these names and effects added."""
        for one in found.values():
            module = with_cluster(module, one)
        contract = extended(base.contract, list(found))
        return cls(base, contract, program_of(module, contract, form), out)

    def content(self, record: Mapping[str, Any]) -> bytes:
        """Return the content of the file with its record; what else the file before carried stays in it."""
        return sealed(self.program, self.base.network.archive.extra, self.contract, record)  # type: ignore[arg-type]

    def read(self, content: bytes) -> Network:
        """Return the network of the file's content."""
        return from_archive(archive_of(content, self.out, trust=self.base.network.archive.trusted))

    def check(self, network: Network, features: Tensor) -> None:
        """Refuse a file that predicts anything else for a known cluster, or without one, than the file before.

        Raises
        ------
        ModelError
        """
        known, added = len(self.base.contract.clusters), len(self.contract.clusters)
        x, z = every_cluster(features, known)
        before = called(self.base.network, x, z)
        after = called(network, x, torch.nn.functional.pad(z, (0, added - known)))
        if not torch.equal(before, after):
            gap = float((before - after).abs().max())
            remedy = "Give --out the ending of the model file."
            raise ModelError(Problem(f"predictions for known clusters would move by {gap:.3g}", str(self.out), remedy))
