"""Importance: what the output of a model file moves with, or where confounding probes rank in trained networks."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from debias.contract import Contract
from debias.data.probes import NOISE
from debias.errors import Problem, UsageError
from debias.files import obstacle, write_atomic
from debias.jobs import Progress
from debias.model.importance import Target
from debias.report.importance_picture import picture, unknown_picture
from debias.report.values.importance import Importance, ModelImportance
from debias.run.commands import flag_parts, operand
from debias.run.importance import TOP, check_top, measure

OF_A_FILE = ("contract", "output_kind", "trust")
"""What is said about a model file alone."""
OF_PROBES = (
    "positive", "bins", "seen", "regression", "missing_attr", "debias_attr", "settings", "probe_noise", "seeds",
    "seed", "workers",
)  # fmt: skip
"""What is said about trainings with probes alone."""
_NO_PART = ("model", "data", "workers", "picture", "by", "force", "progress")
_REPEATED = ("probes", "debias_attr")


def importance(
    model: str | Path | None = None,
    data: Any = None,
    *,
    probes: str | Sequence[str] | None = None,
    attr: str | Sequence[str] = (),
    label: str | None = None,
    positive: str | float | None = None,
    cluster: str | None = None,
    seen: int | None = None,
    regression: bool = False,
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    bins: Any = None,
    missing_attr: Literal["error", "drop", "group"] = "error",
    contract: str | Path | Contract | None = None,
    output_kind: Literal["probability", "logit", "softmax", "logits2", "value"] | None = None,
    trust: bool = False,
    at_mean: bool = False,
    of: Target = "output",
    top: int = TOP,
    debias_attr: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    probe_noise: float = NOISE,
    seeds: int = 1,
    seed: int = 0,
    workers: int | None = None,
    picture: str | Path | None = None,
    by: Literal["column", "feature"] = "column",
    force: bool = False,
    progress: Progress | None = None,
) -> Importance:
    """Measure by gradient magnitude what the output of networks moves with (Fair MEDL section 2.7).

    Either of a model file, or of networks that are trained here with confounding probes among their inputs: columns
    that tell the cluster's rate of the label and nothing else about a row.

    Parameters
    ----------
    model : path, optional
        TorchScript .pt or torch.export .pt2 file; not with `probes`.
    data : path or DataFrame
    probes : str or sequence of str, optional
        Kinds of networks to train, ``"nnet,fair-adb-medl"``; with settings each on its own:
        ``["nnet", "medl:epochs=20"]``. The first is what the others are compared with.
    attr : str or sequence of str
        Protected attributes; of a file only to mark what comes from them.
    label, positive, features, ignore, bins, missing_attr, contract, output_kind, trust
        As for an audit. A file's labels are not read.
    cluster : str, optional
        Column of the cluster; needed for probes.
    seen : int, optional
        Train on the so many largest clusters. Default: all.
    regression : bool
        The label is a number to be predicted.
    at_mean : bool
        The gradient at the mean of the inputs, cluster input at zero, instead of its mean magnitude over rows.
    of : {"output", "logit"}
        Whose gradient: the probability (of a regression the prediction), or its logit.
    top : int
        Columns and features that a human report and the picture show.
    debias_attr : sequence of str, optional
        Attributes that networks are debiased on. Default: all of `attr`.
    settings : mapping, optional
        Of all trainings: ``{"epochs": 20}``.
    probe_noise : float
        Standard deviation of the probes' noise.
    seeds, seed : int
        Number of seeds, and the first; each decides a split, the noise and the trainings.
    workers : int, optional
        Processes at a time; no figure depends on it.
    picture : path, optional
        .svg or .png.
    by : {"column", "feature"}
        What the picture's bars are.
    force : bool
        Overwrite a picture that exists.
    progress : callable, optional
        Receives (trainings done, in all, text).

    Returns
    -------
    Importance

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault.
    """
    given = {name: value for name, value in locals().items() if name in inspect.signature(importance).parameters}
    _check(given)
    told = _command(given)
    shared: dict[str, Any] = {"label": label, "attr": attr}
    if probes is None:
        assert model is not None
        found = measure(
            model, data, **shared, features=features, ignore=ignore, cluster=cluster, contract=contract,
            output_kind=output_kind, trust=trust, at_mean=at_mean, of=of, top=top, command=told,
        )  # fmt: skip
    else:
        from debias.experiments.importance.probing import Plan, probe

        assert cluster is not None
        plan = Plan(
            data=data, label=label, cluster=cluster, attr=(attr,) if isinstance(attr, str) else tuple(attr),
            positive=positive, bins=bins, seen=seen, features=None if features is None else tuple(features),
            ignore=tuple(ignore), task="regression" if regression else "classification", missing_attr=missing_attr,
            noise=probe_noise, at_mean=at_mean, of=of,
        )  # fmt: skip
        found = probe(
            kinds(probes), plan, debias_attr=debias_attr, settings=settings, seeds=range(seed, seed + seeds), top=top,
            workers=workers, progress=progress, command=told,
        )  # fmt: skip
    if picture is not None:
        draw(found.models, Path(picture), top=top, by=by, force=force)
    return found


def draw(
    models: Sequence[ModelImportance], path: Path, *, top: int = TOP, by: str = "column", force: bool = False
) -> None:
    """Write a picture of importances in the format of its ending, whole or not at all."""
    write_atomic(path, picture(models, path.suffix.lower().removeprefix("."), top=top, by=by), force=force)


def kinds(probes: str | Sequence[str]) -> list[str]:
    """Return the kinds one by one: names with commas, or one with settings of its own as ``medl:epochs=20``."""
    found: list[str] = []
    for text in (probes,) if isinstance(probes, str) else probes:
        found += [text] if ":" in text else [part.strip() for part in text.split(",") if part.strip()]
    return found


def _check(given: Mapping[str, Any]) -> None:
    """Refuse, before any work, what does not go together.

    Raises
    ------
    UsageError
        With every problem.
    """
    problems = []
    if given["data"] is None:
        problems.append(Problem("no table is given", "--data", "Name one."))
    if given["model"] is None and given["probes"] is None:
        found = "neither a model file nor kinds to train with probes are given"
        problems.append(Problem(found, "", "Give MODEL, or --probes nnet,fair-adb-medl."))
    if given["model"] is not None and given["probes"] is not None:
        found = "a model file is measured as it is: probes are inputs that it was not trained with"
        problems.append(Problem(found, "--probes", "Leave out MODEL, and train networks with probes; or --probes."))
    elif given["probes"] is not None:
        problems += _strays(given, OF_A_FILE, "belongs to a model file")
        problems += _of_probes(given)
    elif given["model"] is not None:
        problems += _strays(given, OF_PROBES, "belongs to --probes")
    if given["by"] not in ("column", "feature"):
        problems.append(Problem(f"{given['by']!r} is nothing to show", "--by", "Give column or feature."))
    if given["of"] not in ("output", "logit"):
        problems.append(Problem(f"{given['of']!r} has no gradient", "--of", "Give output or logit."))
    problems += _picture_problems(given)
    if problems:
        raise UsageError(problems)
    check_top(given["top"])


def _strays(given: Mapping[str, Any], names: Sequence[str], why: str) -> list[Problem]:
    defaults = {name: item.default for name, item in inspect.signature(importance).parameters.items()}
    return [
        Problem(why, flag_name(name), "Leave it out.")
        for name in names
        if given[name] != defaults[name] and given[name] not in (None, (), [], {})
    ]


def flag_name(name: str) -> str:
    """Return the flag of an argument."""
    return "--set" if name == "settings" else f"--{name.replace('_', '-')}"


def _of_probes(given: Mapping[str, Any]) -> list[Problem]:
    problems = [
        Problem(f"{given[name]!r} is no number of {what}", flag_name(name), "Give 1 or more.")
        for name, what in (("seeds", "seeds"), ("workers", "processes"))
        if given[name] is not None and given[name] < 1
    ]
    if given["cluster"] is None:
        found = "probes tell the cluster's rate of the label, and no cluster is named"
        problems.append(Problem(found, "--cluster", "Name the column of the cluster."))
    if given["seed"] < 0:
        problems.append(Problem(f"{given['seed']!r} is no seed", "--seed", "Give 0 or more."))
    return problems


def _picture_problems(given: Mapping[str, Any]) -> list[Problem]:
    if given["picture"] is None:
        return []
    path = Path(given["picture"])
    if (wrong := unknown_picture(path)) is not None:
        return [wrong]
    inputs = [item for item in (given["model"], given["data"]) if isinstance(item, str | Path)]
    found = obstacle(path, inputs=inputs, force=given["force"], flag="--picture")
    return [] if found is None else [found]


def _command(given: Mapping[str, Any]) -> str | None:
    """Return the command that repeats it; None where the table or the contract is no file."""
    if not isinstance(given["data"], str | Path) or isinstance(given["contract"], Contract):
        return None
    defaults = {name: item.default for name, item in inspect.signature(importance).parameters.items()}
    parts = ["debias", "importance", *([operand(given["model"])] if given["model"] is not None else [])]
    parts += ["--data", str(given["data"])]
    for name, value in given.items():
        if name in _NO_PART or value is None or value == defaults[name]:
            continue
        if name == "settings":
            parts += [part for key, one in value.items() for part in ("--set", f"{key}={_text(one)}")]
        elif name in _REPEATED or name in ("attr", "bins"):
            parts += [part for one in _texts(name, value) for part in (flag_name(name), one)]
        else:
            parts += flag_parts(name, value)
    return shlex.join(parts)


def _texts(name: str, value: Any) -> list[str]:
    if name == "bins":
        from debias.data.columns import Columns

        return list(Columns(attr=(), bins=value).bins or ())  # type: ignore[arg-type]
    return [value] if isinstance(value, str) else [str(item) for item in value]


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
