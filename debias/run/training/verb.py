"""Train: from a raw table with clusters to a model file with its contract and a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from debias.contract import Contract
from debias.data.clustered import Clustered
from debias.data.sample import IntArray
from debias.data.tables import read_table
from debias.errors import Problem, UsageError, together
from debias.files import check_output, write_atomic
from debias.jobs import one_thread
from debias.report.values.training import TrainingReport
from debias.run.training.report import Done, check_file, file_record, measured, predictions, report
from debias.run.training.request import FORMATS, Asked, check_kind, read_settings, told_settings
from debias.training.export import label_weights, model_bytes, served_contract
from debias.training.fit import Fitted, fit
from debias.training.kinds import Kind, kind_of
from debias.training.settings import Settings
from debias.training.table2 import TABLE2, fit_mlp
from debias.training.tables import rows_of
from debias.training.trainer import Progress, Recipe, silent

if TYPE_CHECKING:
    import pandas as pd

VALID_SHARE = 0.15
CHECKPOINT = "training.checkpoint"
"""Name of the checkpoint in its folder."""


def fit_on(
    table: Clustered,
    kind: str | Kind,
    settings: Settings | Recipe,
    train: IntArray,
    valid: IntArray,
    *,
    valid_table: Clustered | None = None,
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Path | None = None,
    resume: bool = True,
    on_epoch: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[Fitted, Contract]:
    """Train a network on some rows of a table.

    Parameters
    ----------
    table : Clustered
    kind : str or Kind
        One of `KINDS`, or ``mlp``: the Table 2 network of the parity-proxies paper.
    settings : Settings or Recipe
        A `Recipe` for ``mlp``, which has no other settings.
    train, valid : ndarray of int64
        Positions of the rows that are learnt from, and of those that choose epoch and thresholds.
    valid_table : Clustered, optional
        Where `valid` points to, read like `table`. Default: `table` itself.
    seed, progress, checkpoint, resume, on_epoch
        See `debias.training.fit.fit`.

    Returns
    -------
    Fitted, Contract
        The network; the contract of its file, all numbers of it from the training rows, thresholds from the
        validation rows.

    Raises
    ------
    UsageError
        The kind needs clusters, or is not for this task.
    """
    kind = TABLE2 if kind == TABLE2.name else kind_of(kind)
    check_kind(kind, table.task, table.clusters is not None)
    contract = table.contract(train, cluster_input=kind.reads_clusters)
    rows = rows_of(table, contract, train)
    judges = rows_of(valid_table or table, contract, valid, rows.swaps)
    fitted: Fitted
    if kind is TABLE2:
        recipe = settings if isinstance(settings, Recipe) else Recipe()
        fitted = fit_mlp(rows, judges, recipe, seed=seed, progress=progress)
    elif isinstance(settings, Settings):
        fitted = fit(
            kind, rows, judges, settings, task=table.task, seed=seed, progress=progress, checkpoint=checkpoint,
            resume=resume, on_epoch=on_epoch,
        )  # fmt: skip
    else:
        raise UsageError(f"{kind.name} is trained by Settings, not by a Recipe")
    weights = label_weights(rows.y, settings if isinstance(settings, Settings) else None, table.task)
    return fitted, served_contract(contract, fitted, weights)


def train(
    kind: str,
    data: str | Path | pd.DataFrame,
    *,
    attr: str | Sequence[str],
    out: str | Path,
    label: str | None = None,
    cluster: str | None = None,
    seen: int | None = None,
    positive: str | float | None = None,
    favorable: Literal["positive", "negative"] | None = None,
    privileged: str | Sequence[str] | Mapping[str, str] | None = None,
    bins: str | Sequence[str | float] | Mapping[str, str | int | Sequence[float]] | None = None,
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    regression: bool = False,
    missing_attr: Literal["error", "drop", "group"] = "error",
    valid: str | Path | pd.DataFrame | None = None,
    valid_share: float | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    resume: bool = True,
    force: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> TrainingReport:
    """Train a network of the mixed-effects family and write it with its contract.

    Parameters
    ----------
    kind : str
        One of `debias.training.kinds.KINDS`, or ``mlp``, the Table 2 network of the parity-proxies paper.
    data : path or DataFrame
        Raw table.
    attr : str or sequence of str
        Protected attributes; they stay among the inputs. Kinds with adversaries or correlations mend all of them.
    out : path
        Model file: TorchScript (.pt) or torch.export (.pt2).
    label : str, optional
        Label column; of a regression the target.
    cluster : str, optional
        Column of the cluster; nnet, mlp and fair-adb-nnet do without.
    seen : int, optional
        The K largest clusters are trained on. Default: all.
    positive, favorable, privileged, bins, features, ignore, kinds, missing_attr
        See `debias.data.clustered.Clustered.read`.
    regression : bool
        The label is a number.
    valid : path or DataFrame, optional
        Rows that choose epoch and thresholds; those of unseen clusters are left out.
    valid_share : float, optional
        Without `valid`: share of the seen rows for that. Default: 0.15.
    seed : int
        Decides the split and every draw: the same call gives the same network bit for bit.
    checkpoint : path, optional
        Folder where the state of the training is kept after each epoch.
    resume : bool
        Go on from a checkpoint that is there.
    force : bool
        Overwrite `out`.
    progress : callable, optional
        Receives (epochs done, epochs at most, text with the losses).
    **settings
        Those of `debias.training.settings.Settings`; of ``mlp`` `lr`, `batch_size`, `epochs`, `patience`.

    Returns
    -------
    TrainingReport
        `exit_code` is 1 where training diverged; the file then holds the best epoch before.

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault; nothing is written then.
    """
    started = time.perf_counter()
    given: dict[str, Any] = {
        "kind": kind, "data": data, "attr": attr, "out": out, "label": label, "cluster": cluster, "seen": seen,
        "positive": positive, "favorable": favorable, "privileged": privileged, "bins": bins, "features": features,
        "ignore": ignore, "kinds": kinds, "regression": regression, "missing_attr": missing_attr, "valid": valid,
        "valid_share": valid_share, "seed": seed, "checkpoint": checkpoint, "resume": resume, "force": force,
    }  # fmt: skip
    files = [source for source in (data, valid) if isinstance(source, str | Path)]
    sources = {"data": data} | ({} if valid is None else {"valid": valid})
    asked, told, _, *read = together(
        partial(Asked, **given),
        partial(read_settings, kind, settings),
        partial(check_output, out, inputs=files, force=force),
        *(partial(read_table, source, role) for role, source in sources.items()),
    )
    tables = dict(zip(sources, read, strict=True))
    rows = asked.table(tables["data"])
    judges = rows.read_more(tables["valid"]) if "valid" in tables else rows
    train_rows, valid_rows = divided(asked, rows, judges)
    place = _checkpoint(asked)
    new_epochs: list[Mapping[str, Any]] = []
    with one_thread():
        fitted, contract = fit_on(
            rows, kind, told, train_rows, valid_rows, valid_table=judges, seed=seed, progress=progress or silent,
            checkpoint=place, resume=resume, on_epoch=new_epochs.append,
        )  # fmt: skip
        done = Done(
            asked=given, kind=asked.network, tables=tables, rows=rows, judges=judges, train=train_rows,
            valid=valid_rows, fitted=fitted, contract=contract, settings=told_settings(told),
            resumed_from=fitted.epochs_run - len(new_epochs) if place is not None else 0,
        )  # fmt: skip
        form = FORMATS[Path(out).suffix.lower()]
        predicted = predictions(done)
        figures = measured(done, predicted)
        content = model_bytes(fitted, contract, file_record(done, figures), form)
        check_file(done, predicted, content)
    write_atomic(Path(out), content, force=force, verify=True)
    changed = {name: value for name, value in settings.items() if name in told_settings(told)}
    return report(done, figures, content, form, asked.command(changed), time.perf_counter() - started)


def divided(asked: Asked, rows: Clustered, judges: Clustered) -> tuple[IntArray, IntArray]:
    """Return training rows, and validation rows of `judges`."""
    if judges is rows:
        return rows.split(VALID_SHARE if asked.valid_share is None else asked.valid_share, asked.seed)
    if not len(judges.index):
        found = "no row is of a cluster that --data has"
        raise UsageError(Problem(found, f"--valid {judges.table}", "Give rows of seen clusters, or --valid-share."))
    return rows.index, judges.index


def _checkpoint(asked: Asked) -> Path | None:
    """Return where the checkpoint is kept; its folder is made."""
    if asked.checkpoint is None:
        return None
    folder = Path(asked.checkpoint)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        found = f"the folder cannot be made ({error.strerror})"
        raise UsageError(Problem(found, f"--checkpoint {folder}", "Name a folder.")) from None
    return folder / CHECKPOINT
