"""The measuring and repairing verbs with their arguments spelled out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from debias.contract import Contract
from debias.methods.base import Method, Progress, silent
from debias.methods.gda import GDA
from debias.methods.prune import Prune
from debias.methods.threshold import Threshold
from debias.report.model import Report
from debias.run.auditing import run_audit
from debias.run.opening import Request
from debias.run.repairing import run_repair

if TYPE_CHECKING:
    from typing import TypeAlias, TypedDict, Unpack

    import pandas as pd

    Source: TypeAlias = str | Path | pd.DataFrame

    class Common(TypedDict, total=False):
        """What an audit and every repair share."""

        label: str | None
        positive: str | None
        favorable: Literal["positive", "negative"] | None
        privileged: str | None
        metric: str
        threshold: float | None
        decision: Literal["score", "argmax"] | None
        features: Sequence[str] | None
        ignore: Sequence[str]
        weight: str | None
        missing_attr: Literal["error", "drop", "group"]
        bins: str | Sequence[float] | None
        output_kind: Literal["probability", "logit", "softmax", "logits2"] | None
        contract: str | Path | Contract | None
        device: str
        trust: bool
        seed: int

    class Repairing(Common, total=False):
        """What every repair shares."""

        margin: float
        min_performance: float
        train: Source | None
        test: Source | None
        holdout: float
        split_by: str | None
        keep_scores: bool
        out: str | Path | None
        force: bool
        keep_best: bool
        progress: Progress | None


def audit(model: str | Path, data: Source, *, attr: str, eps: float | None = None, **options: Unpack[Common]) -> Report:
    """Measure performance and bias per group of a network as it is deployed.

    Parameters
    ----------
    model : path
        TorchScript .pt or torch.export .pt2 file.
    data : path or DataFrame
        The rows; nothing is set aside.
    attr : str
        Column of the protected attribute.
    eps : float, optional
        The bound; without it the verdict is ``no-bound``.
    **options
        `label`, `positive`, `favorable`, `privileged`, `metric`, `threshold`, `decision`, `features`, `ignore`,
        `weight`, `missing_attr`, `bins`, `output_kind`, `contract`, `device`, `trust`, `seed`: the flags of
        ``debias audit``.

    Returns
    -------
    Report

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault.
    """
    return run_audit(Request(verb="audit", model=model, data=data, attr=attr, eps=eps, **options))


def threshold(model: str | Path, data: Source, *, attr: str, eps: float, **options: Unpack[Repairing]) -> Report:
    """Repair by the threshold alone: the unchanged network at its best feasible common threshold.

    Parameters and errors as for `prune`.
    """
    return _repair("threshold", Threshold(), model, data, attr, eps, options)


def prune(
    model: str | Path,
    data: Source,
    *,
    attr: str,
    eps: float,
    steps: int | None = None,
    outgoing: bool = True,
    influence: Literal["activation", "preactivation"] = "preactivation",
    limit: int | None = None,
    stop_below: float = 0.52,
    **options: Unpack[Repairing],
) -> Report:
    """Repair by pruning the units with the largest influence on the bias (parity-proxies paper, Algorithm 1).

    Parameters
    ----------
    model : path
        TorchScript .pt or torch.export .pt2 file; never changed.
    data : path or DataFrame
        Validation rows.
    attr : str
        Column of the protected attribute.
    eps : float
        The bound on |bias|.
    steps, outgoing, influence, limit, stop_below
        See `debias.methods.prune.Prune`.
    **options
        The flags of ``debias prune``; without `out` the file stands beside the model, the verb in its name.

    Returns
    -------
    Report
        `exit_code` is 1 where the bound is not met; the model is then written only with `keep_best`.

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault; nothing is written then.
    """
    return _repair("prune", Prune(steps, outgoing, influence, limit, stop_below), model, data, attr, eps, options)


def gda(
    model: str | Path,
    data: Source,
    *,
    attr: str,
    eps: float,
    lr: float = 1e-5,
    epochs: int = 100,
    batch_size: int = 256,
    optimizer: Literal["adam", "sgd"] = "adam",
    one_batch: bool = False,
    evaluations: int = 1,
    **options: Unpack[Repairing],
) -> Report:
    """Repair by bias gradient descent/ascent (parity-proxies paper, Algorithm 2).

    Parameters and errors as for `prune`; `lr` to `evaluations` as in `debias.methods.gda.GDA`.
    """
    method = GDA(lr, epochs, batch_size, optimizer, one_batch, evaluations)
    return _repair("gda", method, model, data, attr, eps, options)


def _repair(
    verb: Literal["threshold", "prune", "gda"],
    method: Method,
    model: str | Path,
    data: Source,
    attr: str,
    eps: float,
    options: Any,
) -> Report:
    settings = dict(options)
    progress = settings.pop("progress", None) or silent
    return run_repair(Request(verb=verb, model=model, data=data, attr=attr, eps=eps, **settings), method, progress)
