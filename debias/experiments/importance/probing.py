"""Where confounding probes rank in networks trained with them among the inputs (Fair MEDL section 2.7, Fig. 3)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from debias import jobs
from debias.contract import Contract, Feature
from debias.data.cells import Cells
from debias.data.clustered import Clustered
from debias.data.probes import NOISE, Probes, probes
from debias.data.tables import Table
from debias.data.values import FloatArray, IntArray
from debias.errors import DataError, DebiasError, Problem, UsageError
from debias.experiments.rows import RowsAsked
from debias.experiments.variants import Variant, variants
from debias.jobs import Job, Outcome, Progress
from debias.model.importance import Magnitudes, RandomSpread, Target, block_sums, magnitudes, ranks
from debias.report.values.importance import Importance, ModelImportance, ProbeInfo, Run
from debias.run.importance import TOP, Block, model_importance, shares
from debias.run.provenance import table_info, versions
from debias.run.training import fit_on
from debias.training.fit import Fitted
from debias.words import count, listing

PRELOAD = ("debias.experiments.importance.probing", "sklearn.metrics")


@dataclass(frozen=True, kw_only=True)
class Plan(RowsAsked):
    """The table, its columns, and how probes are made and measured: the same for all kinds.

    Parameters
    ----------
    noise : float
        Standard deviation of the probes' noise.
    at_mean, of
        See `debias.model.importance.network_magnitudes`.
    folds : int
        Of each seed's split the first fold is measured, the second validates, the others train.
    """

    attr: tuple[str, ...] = ()
    missing_attr: Literal["error", "drop", "group"] = "error"
    noise: float = NOISE
    at_mean: bool = False
    of: Target = "output"

    def __post_init__(self) -> None:
        problems = []
        if not (np.isfinite(self.noise) and self.noise >= 0):
            problems.append(Problem(f"{self.noise!r} is no standard deviation", "--probe-noise", "Give 0 or more."))
        if self.task == "regression" and self.of == "logit":
            problems.append(Problem("a regression predicts a number, which has no logit", "--of", "Leave it out."))
        problems += self.fold_problems()
        if problems:
            raise UsageError(problems)


@dataclass(frozen=True, eq=False)
class Ground:
    """What is read once for all trainings of a process."""

    plan: Plan
    rows: Clustered
    table: Table

    @classmethod
    def open(cls, plan: Plan) -> Ground:
        """Read the table.

        Raises
        ------
        DebiasError
            With everything that is wrong with it.
        """
        table, rows = plan.read()
        return cls(plan, rows, replace(table, frame=table.frame[:0]))

    def split(self, seed: int) -> tuple[IntArray, IntArray, IntArray]:
        """Return training, validation and measured rows of a seed: positions of seen rows."""
        fold = self.rows.folds(self.plan.folds, seed)
        return np.flatnonzero(fold > 1), np.flatnonzero(fold == 1), np.flatnonzero(fold == 0)

    def probed(self, seed: int) -> tuple[Clustered, Probes]:
        """Return the table with probes among its input columns; their rates are those of the training rows.

        Raises
        ------
        DataError
            The table has columns of these names.
        """
        training = np.zeros(self.rows.n, bool)
        training[self.split(seed)[0]] = True
        plan = self.plan
        found = probes(self.rows.outcome, self.rows.codes, training, task=plan.task, noise=plan.noise, seed=seed)
        names = {cell.feature.column for cell in self.rows.cells} | {self.rows.label, plan.cluster}
        if taken := sorted(names & set(found.columns)):
            remedy = "Rename it in the table, or leave it out with --ignore."
            raise DataError(
                Problem(f"has a column {listing(taken)}, which is the name of a probe", self.table.name, remedy)
            )
        added = [Cells(Feature(column=name, kind="numeric"), values) for name, values in found.columns.items()]
        return replace(self.rows, cells=(*self.rows.cells, *added)), found


@dataclass(frozen=True, eq=False)
class Measured:
    """What one training with probes gave."""

    blocks: tuple[Block, ...]
    magnitudes: Magnitudes
    random: tuple[RandomSpread, ...]
    run: Run


def work(variant: Variant, seed: int, ground: Ground, progress: Progress) -> Measured:
    """Train one variant with probes and measure what its output moves with, on rows of the table set aside."""
    start = time.perf_counter()
    train, valid, test = ground.split(seed)
    table, made = ground.probed(seed)
    # Attributes that take no part in training are left out of it.
    table = replace(
        table,
        attributes={name: table.attributes[name] for name in variant.attributes},
        groupings={name: table.groupings[name] for name in variant.attributes},
    )
    fitted, contract = fit_on(table, variant.kind, variant.settings, train, valid, seed=seed, progress=progress)
    seconds = time.perf_counter() - start
    found = fitted_magnitudes(fitted, table, contract, test, at_mean=ground.plan.at_mean, of=ground.plan.of)
    roles = ("features", "cluster") if variant.kind.cluster_input else ("features",)
    blocks = tuple(Block(item.column, item.role, item.encoded) for item in contract.features if item.role in roles)
    run = Run(
        seed=seed,
        **_placed(found, blocks, tuple(made.columns)),
        **_quality(fitted, table, contract, test),
        epochs=fitted.epochs_run,
        stopped=fitted.stopped,
        seconds=seconds,
    )
    return Measured(blocks, found, tuple(_random(fitted)), run)


def fitted_magnitudes(
    fitted: Fitted,
    table: Clustered,
    contract: Contract,
    index: IntArray,
    *,
    at_mean: bool = False,
    of: Target = "output",
) -> Magnitudes:
    """Return the gradient magnitudes of a trained network's input columns on rows of a table.

    The fixed-effects prediction of a mixed-effects network; a network that reads the cluster as a plain input has the
    columns of the cluster behind the others, at the mean at zero.
    """
    import torch

    module = fitted.module
    inputs = {"features": torch.from_numpy(table.encode(contract, index))}
    among = ["features"]
    if fitted.kind.reads_clusters:
        z = torch.from_numpy(table.one_hot(index))
        inputs["cluster"] = torch.zeros_like(z) if fitted.kind.random_effects or at_mean else z
        among += ["cluster"] if fitted.kind.cluster_input else []

    def score(given: Mapping[str, torch.Tensor]) -> torch.Tensor:
        tensors = tuple(given.values())
        if of == "logit":
            logits: torch.Tensor = module.heads(*tensors)[0]
            return logits
        value: torch.Tensor = module(*tensors)
        return value

    found = magnitudes(score, inputs, among, at_mean=at_mean)
    parts = [found[name] for name in among]
    spread = [part.spread for part in parts]
    if fitted.kind.cluster_input and at_mean:
        spread[1] = table.one_hot(index).astype(np.float64).std(axis=0)
    return Magnitudes(np.concatenate([part.slope for part in parts]), np.concatenate(spread))


def _placed(found: Magnitudes, blocks: Sequence[Block], names: Sequence[str]) -> dict[str, Any]:
    """Return where the probes rank among columns and among features."""
    values = found.importance
    columns = [block.feature for block in blocks for _ in block.columns]
    features = [block.feature for block in blocks]
    by_column = dict(zip(columns, ranks(values).tolist(), strict=True))
    by_feature = dict(zip(features, ranks(block_sums(values, [len(b.columns) for b in blocks])).tolist(), strict=True))
    share = dict(zip(columns, shares(values).tolist(), strict=True))
    return {
        "ranks": {name: by_column[name] for name in names},
        "feature_ranks": {name: by_feature[name] for name in names},
        "best": min(by_column[name] for name in names),
        "best_feature": min(by_feature[name] for name in names),
        "share": sum(share[name] for name in names),
    }


def _quality(fitted: Fitted, table: Clustered, contract: Contract, index: IntArray) -> dict[str, Any]:
    """Return how well what is served predicts the rows."""
    import torch
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    x = torch.from_numpy(table.encode(contract, index))
    served = fitted.predict(x, torch.from_numpy(table.one_hot(index)))[0].double().numpy()
    if table.target is not None:
        return {"mse": float(np.square(served - table.target[index]).mean())}
    y = table.y[index]
    decided = served >= (0.5 if fitted.threshold is None else fitted.threshold)
    return {
        "balanced_accuracy": float(balanced_accuracy_score(y, decided)),
        "auroc": float(roc_auc_score(y, served)),
    }


def _random(fitted: Fitted) -> Iterable[RandomSpread]:
    state = fitted.module.state_dict()
    for name in ("slope.mean", "intercept.mean") if fitted.kind.random_effects else ():
        yield RandomSpread(name, state[name].double().numpy())


def probe(
    asked: Sequence[str],
    plan: Plan,
    *,
    debias_attr: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: Sequence[int] = (0,),
    top: int = TOP,
    workers: int | None = None,
    progress: Progress | None = None,
    command: str | None = None,
) -> Importance:
    """Train each kind with probes on every seed, and return where the probes rank.

    Parameters
    ----------
    asked : sequence of str
        ``KIND`` or ``KIND:NAME=VALUE,NAME=VALUE``, see `debias.experiments.variants.variants`. The first is
        what the others are compared with.
    plan : Plan
    debias_attr : sequence of str, optional
        Attributes that networks are debiased on. Default: all.
    settings : mapping of str to object, optional
        Of all trainings.
    seeds : sequence of int
        Each decides its split, the noise of its probes and its trainings, the same split for all kinds.
    top : int
        Columns and features that a human report shows.
    workers : int, optional
        Processes at a time; no figure depends on it. Default: the cores, at most one a training.
    progress : callable, optional
        Receives (trainings done, in all, text).
    command : str, optional
        What repeats it, for the report.

    Raises
    ------
    DebiasError
        With every problem of the table, or of the trainings that failed.
    """
    start = time.perf_counter()
    with jobs.one_thread():
        ground = Ground.open(plan)
        ground.probed(seeds[0])  # what is wrong for all is told once
        chosen = variants(asked, list(ground.rows.attributes), shared=settings, adversaries=debias_attr)
        pairs = [(variant, seed) for seed in seeds for variant in chosen]
        backend = jobs.backend_for(workers or jobs.cores(), len(pairs), preload=PRELOAD)
        setup = partial(_given, ground) if isinstance(backend, jobs.Serial) else partial(Ground.open, plan)
        todo = [Job(f"{variant.name}, seed {seed}", partial(work, variant, seed)) for variant, seed in pairs]
        outcomes = jobs.map(todo, setup=setup, backend=backend, progress=progress)
        _raise_failures(outcomes)
        found: dict[str, list[Measured]] = {variant.name: [] for variant in chosen}
        for (variant, _), outcome in zip(pairs, outcomes, strict=True):
            assert outcome.value is not None
            found[variant.name].append(outcome.value)
        models = summarised(chosen, found, ground)
        return _report(models, ground, seeds, top, command, time.perf_counter() - start)


def _given(ground: Ground) -> Ground:
    return ground


def _raise_failures(outcomes: Sequence[Outcome[Measured]]) -> None:
    """Raise what went wrong, each problem with the training that had it."""
    problems = [
        replace(problem, where=f"{outcome.name}: {problem.where}".rstrip(": "))
        for outcome in outcomes
        if outcome.error is not None
        for problem in outcome.error.problems
    ]
    if problems:
        raise DebiasError(dict.fromkeys(problems))


def summarised(
    chosen: Sequence[Variant], found: Mapping[str, Sequence[Measured]], ground: Ground
) -> list[ModelImportance]:
    """Return each variant's medians over seeds, and how it compares with the first."""
    protected = {part.column for grouping in ground.rows.groupings.values() for part in grouping.columns}
    models = []
    first: list[float] | None = None
    for variant in chosen:
        measured = found[variant.name]
        runs = [item.run for item in measured]
        model = model_importance(
            variant.name,
            variant.kind.title + variant.name.removeprefix(variant.kind.name),
            measured[0].blocks,
            [item.magnitudes for item in measured],
            fixed=variant.kind.random_effects,
            protected=protected,
            probes=set(runs[0].ranks),
            random=[item.random for item in measured],
            clusters=ground.rows.names,
        )
        best = [run.best for run in runs]
        changes: dict[str, Any] = {
            "runs": runs,
            "best_probe_rank": float(np.median(best)),
            "best_probe_feature_rank": float(np.median([run.best_feature for run in runs])),
            "behind": None if first is None else sum(a > b for a, b in zip(best, first, strict=True)),
        }
        first = best if first is None else first
        models.append(model.model_copy(update=changes))
    return models


def _report(
    models: Sequence[ModelImportance],
    ground: Ground,
    seeds: Sequence[int],
    top: int,
    command: str | None,
    seconds: float,
) -> Importance:
    import debias

    train, _, test = ground.split(seeds[0])
    told = ", ".join(f"{model.title} {model.best_probe_rank:.4g}" for model in models)
    what = f"median over {count(len(seeds), 'seed')}" if len(seeds) > 1 else f"seed {seeds[0]}"
    unseen = ground.rows.n - len(ground.rows.index)
    notes = [f"{count(unseen, 'row')} of unseen clusters took no part."] if unseen else []
    return Importance(
        debias_version=debias.__version__,
        statement=f"Rank of the best probe among {count(len(models[0].columns), 'column')}, {what}: {told}",
        task=ground.rows.task,
        target=ground.plan.of,
        at="mean" if ground.plan.at_mean else "rows",
        rows=len(test),
        training_rows=len(train),
        seeds=list(seeds),
        noise=ground.plan.noise,
        probes=probe_infos(ground, seeds[0]),
        models=list(models),
        top=top,
        data={"data": table_info_of(ground)},
        notes=[*ground.rows.notes, *notes],
        versions=versions(),
        command=command,
        seconds=seconds,
    )


def table_info_of(ground: Ground) -> Any:
    """Return the report's entry of the table, whose rows are no longer held."""
    return table_info(ground.table).model_copy(update={"rows": ground.rows.n + ground.rows.dropped})


def probe_infos(ground: Ground, seed: int) -> list[ProbeInfo]:
    """Return the probes of a seed with what they correlate with on its training rows."""
    table, made = ground.probed(seed)
    train = ground.split(seed)[0]
    contract = table.contract(train, cluster_input=False)
    encoded = table.encode(contract, train).astype(np.float64)
    names = [name for feature in contract.features for name in feature.encoded]
    rates, outcome = made.rates[table.codes[train]], table.outcome[train].astype(np.float64)
    infos = []
    for name, values in made.columns.items():
        own = values[train]
        others = {
            other: abs(_correlation(own, encoded[:, at])) for at, other in enumerate(names) if other not in made.columns
        }
        most = max(others, key=lambda other: np.nan_to_num(others[other]), default=None)
        infos.append(
            ProbeInfo(
                name=name,
                formula=made.formulas[name],
                with_label=_correlation(own, outcome),
                with_rate=_correlation(own, rates),
                with_column=None if most is None else others[most],
                column=most,
            )
        )
    return infos


def _correlation(a: FloatArray, b: FloatArray) -> float:
    """Return Pearson's r, NaN where one of the two is constant."""
    first, second = a - a.mean(), b - b.mean()
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / size if size > 0 else float("nan")
