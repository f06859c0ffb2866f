"""The measuring and repairing verbs with their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_type_hints

from debias.contract import Contract
from debias.errors import together
from debias.methods.base import Method, Progress, silent
from debias.report.values.report import Report
from debias.run.auditing import run_audit
from debias.run.repairing import run_repair
from debias.run.request import Request

if TYPE_CHECKING:
    from typing import TypeAlias, TypedDict, Unpack

    import pandas as pd

    Source: TypeAlias = str | Path | pd.DataFrame
    Attr: TypeAlias = str | Sequence[str]

    class Common(TypedDict, total=False):
        """What an audit and every repair share."""

        label: str | None
        positive: str | None
        favorable: Literal["positive", "negative"] | None
        privileged: str | Sequence[str] | Mapping[str, str] | None
        metric: str | None
        min_ratio: float | None
        performance: str | None
        confidence: float | None
        threshold: float | None
        decision: Literal["score", "argmax"] | None
        features: Sequence[str] | None
        ignore: Sequence[str]
        weight: str | None
        missing_attr: Literal["error", "drop", "group"]
        bins: str | Sequence[float] | Mapping[str, str | int | Sequence[float]] | None
        min_group: int
        cluster: str | None
        unseen_z: Literal["soft", "hard", "zero", "error"] | None
        output_kind: Literal["probability", "logit", "softmax", "logits2", "value"] | None
        contract: str | Path | Contract | None
        device: str
        trust: bool
        seed: int
        view: str | Sequence[str]

    class Auditing(Common, total=False):
        """What an audit alone is asked."""

        sd_ddof: Literal[0, 1]
        draws: int
        fresh_adversary: bool
        stream: bool | None
        batch_rows: int | None
        workers: int
        ray: str | None

    class Repairing(Common, total=False):
        """What every repair shares."""

        margin: float | None
        min_performance: float | None
        selection: str | None
        pool: bool | None
        train: Source | None
        test: Source | None
        holdout: float
        fit_share: float | None
        edit: Literal["fe", "fe+re"]
        split_by: str | None
        keep_scores: bool
        out: str | Path | None
        force: bool
        keep_best: bool
        sample_rows: int | None
        batch_rows: int | None
        ray: str | None
        progress: Progress | None

    class RepairingOnce(Repairing, total=False):
        """What one repair takes beside it; in a comparison these are the processes that the methods run in."""

        workers: int


def audit(
    model: str | Path,
    data: Source,
    *,
    attr: Attr,
    eps: float | None = None,
    progress: Progress | None = None,
    **options: Unpack[Auditing],
) -> Report:
    """Measure performance and bias per group of a network as it is deployed.

    Parameters
    ----------
    model : path
        TorchScript .pt or torch.export .pt2 file.
    data : path or DataFrame
        The rows; nothing is set aside.
    attr : str or sequence of str
        Protected attributes: columns, or intersections of columns as ``sex*race``.
    eps : float, optional
        The bound; without it the verdict is ``no-bound``. Of the impact ratio it is `min_ratio`.
    progress : callable, optional
        Called with (done, in all, text) as pieces of a table that is streamed are done.
    **options
        `label`, `positive`, `favorable`, `privileged`, `metric`, `min_ratio`, `performance`, `confidence`,
        `threshold`, `decision`, `features`, `ignore`, `weight`, `missing_attr`, `bins`, `min_group`, `cluster`,
        `unseen_z`, `output_kind`, `contract`, `device`, `trust`, `seed`, `view`, `sd_ddof`, `draws`,
        `fresh_adversary`, `stream`, `batch_rows`, `workers`, `ray`: the flags of ``debias audit``. Of several
        attributes, `bins` and `privileged` are mappings by the attribute's name.

    Returns
    -------
    Report

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault.
    """
    request = Request(verb="audit", model=model, data=data, attr=attr, eps=eps, **options)
    return run_audit(request, progress or silent)


def repair(
    method: Method,
    model: str | Path,
    data: Source,
    *,
    attr: Attr,
    eps: float | None = None,
    **options: Unpack[RepairingOnce],
) -> Report:
    """Repair a network by a method under the bias-constrained objective, and give the verdict on other rows.

    ``debias.prune(model, data, steps=20, …)`` is short for ``repair(Prune(steps=20), model, data, …)``, and so for
    every other method.

    Parameters
    ----------
    method : Method
        Such as `debias.methods.prune.Prune`.
    model : path
        TorchScript .pt or torch.export .pt2 file; never changed.
    data : path or DataFrame
        Validation rows.
    attr : str or sequence of str
        Protected attributes: columns, or intersections of columns as ``sex*race``; the bound must hold for each.
    eps : float, optional
        The bound on \\|bias\\|; the metric impact-ratio takes `min_ratio` instead.
    **options
        Those of `audit`, and `margin`, `min_performance`, `selection`, `pool`, `train`, `fit_share`, `test`, `holdout`,
        `split_by`, `keep_scores`, `out`, `force`, `keep_best`, `sample_rows`, `batch_rows`, `workers`, `ray`: the flags
        of ``debias prune``; without `out` the file stands beside the model, the verb in its name. `progress` is called
        with (steps done, steps in all, text).

    Returns
    -------
    Report
        `exit_code` is 1 where the bound is not met; the model is then written only with `keep_best`.

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault; nothing is written then.
    """
    return _repair(method.name, lambda: method, {"model": model, "data": data, "attr": attr, "eps": eps, **options})


def _repair(name: str, method: Callable[[], Method], options: dict[str, Any]) -> Report:
    """Run a repair; what is wrong with the method's settings and with the other flags is told at once."""
    progress = options.pop("progress", None) or silent
    made, request = together(method, partial(Request, verb=name, **options))
    return run_repair(request, made, progress)


class Verb(Protocol):
    """The function of a method."""

    def __call__(
        self, model: str | Path, data: Source, *, attr: Attr, eps: float | None = None, **options: Any
    ) -> Report: ...


def verb_of(kind: type[Method]) -> Verb:
    """Return the function of a method: `repair` with the method's settings among its arguments."""
    own = [item.name for item in fields(kind)]  # type: ignore[arg-type]

    def verb(model: str | Path, data: Source, *, attr: Attr, eps: float | None = None, **options: Any) -> Report:
        settings = {name: options.pop(name) for name in own if name in options}
        options |= {"model": model, "data": data, "attr": attr, "eps": eps}
        return _repair(kind.name, partial(kind, **settings), options)

    parameters = list(inspect.signature(repair).parameters.values())[1:]
    settings, hints = inspect.signature(kind).parameters.values(), get_type_hints(kind)
    verb.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *parameters[:-1],
            *(item.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[item.name]) for item in settings),
            parameters[-1],
        ],
        return_annotation=Report,
    )
    verb.__name__ = verb.__qualname__ = kind.name
    verb.__doc__ = f"{kind.__doc__}\n    The other arguments and the result are those of `debias.repair`.\n"
    return verb
