"""A trained network as the file that is served: TorchScript or torch.export, with its contract inside.

Adversaries are never in the file. The predictor of the cluster (Fair MEDL Fig. 1, subnetwork 6) travels as an extra
entry, so that a row of an unknown cluster can be scored by the file alone; the contract holds its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn
from torch.export import ExportedProgram

from debias.contract import Contract, Effects, RandomEffect
from debias.model.archive import serialise
from debias.model.seal import sealed
from debias.training.fit import Fitted
from debias.training.networks import MixedEffects
from debias.training.settings import Settings

Format = Literal["torchscript", "export"]
PREDICTOR = "z-predictor.pt.b64"
"""Extra entry of the predictor's TorchScript file, as base64: the extra entries of an archive are text."""
_LEAST_CUT = 1e-6


def label_weights(y: torch.Tensor, settings: Settings | None, task: str) -> tuple[float, float] | None:
    """Return what rows of labels 0 and 1 count for in training: 0.5 / frequency, or 1; None of a regression.

    Parameters
    ----------
    y : Tensor, shape [N]
        Labels of the training rows; both occur.
    settings : Settings or None
        Of the training.
    task : {"classification", "regression"}
    """
    if task == "regression" or settings is None:
        return None
    share = float(y.double().mean())
    return (0.5 / (1 - share), 0.5 / share) if settings.class_weights else (1.0, 1.0)


def served_contract(contract: Contract, fitted: Fitted, weights: tuple[float, float] | None = None) -> Contract:
    """Return the contract of the file: which numbers are fixed and which random effects, and where scores are cut.

    The predictor of the cluster is left to `model_bytes`, which makes its file.

    Parameters
    ----------
    contract : Contract
        Features, groups and clusters, as fitted on the training rows.
    fitted : Fitted
        The trained network. A cut at 0 or 1 is brought inside.
    weights : (float, float), optional
        See `label_weights`.
    """
    effects = None
    if isinstance(fitted.module, MixedEffects):
        effects = Effects(
            fixed=tuple(name for name, _ in fitted.module.named_parameters() if name.startswith("fe.")),
            random=tuple(
                RandomEffect(mean=f"{part}.mean", spread=f"{part}.rho", prior_sd=fitted.settings.prior_sd)
                for part in ("slope", "intercept")
            ),
            label_weights=weights,
        )
    cuts = {
        "threshold": _inside(fitted.threshold),
        "fixed_threshold": _inside(fitted.fixed_threshold) if effects else None,
    }
    output = contract.output.model_copy(update=cuts)
    return contract.model_copy(update={"effects": effects, "output": output})


def model_bytes(fitted: Fitted, contract: Contract, record: Mapping[str, Any], form: Format = "torchscript") -> bytes:
    """Return the content of the file of a trained network.

    Parameters
    ----------
    fitted : Fitted
        The trained network.
    contract : Contract
        See `served_contract`.
    record : mapping
        How the network came about; JSON values.
    form : {"torchscript", "export"}
        A scripted .pt, with all methods of the module, or a .pt2 of its forward with a free number of rows.
    """
    extra: dict[str, str | bytes] = {}
    if contract.effects is not None and fitted.predictor is not None:
        predictor = scripted_bytes(fitted.predictor)
        told = {"predictor": PREDICTOR, "predictor_sha256": hashlib.sha256(predictor).hexdigest()}
        contract = contract.model_copy(update={"effects": contract.effects.model_copy(update=told)})
        extra[PREDICTOR] = base64.b64encode(predictor).decode()
    return sealed(program_of(fitted.module, contract, form), extra, contract, record)


def program_of(module: nn.Module, contract: Contract, form: Format) -> torch.jit.ScriptModule | ExportedProgram:
    """Return a network as the program of a file."""
    return _scripted(module) if form == "torchscript" else _exported(module, contract)


def scripted_bytes(module: nn.Module) -> bytes:
    """Return a module in eval mode as a TorchScript file without extra entries."""
    return serialise(_scripted(module), {})


def _scripted(module: nn.Module) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        # torch says at each call that TorchScript is deprecated
        warnings.simplefilter("ignore")
        program: torch.jit.ScriptModule = torch.jit.script(module.eval())
        return program


def _exported(module: nn.Module, contract: Contract) -> ExportedProgram:
    rows = torch.export.Dim("batch", min=1)
    example = tuple(torch.zeros(2, item.width or contract.width(item.role)) for item in contract.inputs)
    with warnings.catch_warnings():
        # torch's own code calls what it has declared deprecated
        warnings.simplefilter("ignore")
        return torch.export.export(module.eval(), example, dynamic_shapes=tuple({0: rows} for _ in example))


def _inside(threshold: float | None) -> float | None:
    return None if threshold is None else min(max(float(threshold), _LEAST_CUT), 1 - _LEAST_CUT)
