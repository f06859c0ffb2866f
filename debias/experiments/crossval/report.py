"""The report of a cross-validation from the predictions of its folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import debias
from debias.experiments.crossval.figures import Truth, compare, figures, signs
from debias.experiments.crossval.folds import FoldResult, Head
from debias.experiments.crossval.jobs import Bench
from debias.experiments.crossval.run import Run
from debias.experiments.variants import Variant
from debias.report.values.crossval import AttributeRows, Change, CrossValidation, FoldRun, HeadFigures, Model
from debias.words import count


def report(run: Run, against: Mapping[str, str], draws: int) -> CrossValidation:
    """Return what all folds of all variants come to, each beside its baseline.

    Parameters
    ----------
    run : Run
        Trained.
    against : mapping of str to str
        Name of the baseline of each variant that has one.
    draws : int
        Of the bootstrap.
    """
    bench, truth = run.bench, run.bench.truth
    by_name = {variant.name: variant for variant in run.variants}
    models: list[Model] = []
    changes: list[Change] = []
    for variant in run.variants:
        results = run.results(variant)
        models.append(_model(run, variant, against.get(variant.name), results, figures(truth, results)))
        if (other := against.get(variant.name)) is not None:
            beside = (other, run.results(by_name[other]))
            changes += compare(truth, (variant.name, results), beside, draws=draws, seed=bench.protocol.seed)
    index, table = bench.rows.index, bench.table
    return CrossValidation(
        debias_version=debias.__version__,
        statement=_statement(run),
        task=bench.rows.task,
        label=bench.rows.label,
        positive=bench.rows.positive,
        cluster=bench.protocol.cluster,
        clusters_seen=_sizes(bench, known=True),
        clusters_unseen=_sizes(bench, known=False),
        attributes=_attributes(truth, index),
        missing_attr=bench.protocol.missing_attr,
        folds=bench.protocol.folds,
        folds_run=[fold + 1 for fold in run.folds],
        seed=bench.protocol.seed,
        draws=draws,
        data=table.name,
        data_sha256=table.sha256,
        models=models,
        changes=changes,
        signs=[signs(name, other, changes) for name, other in against.items()],
        notes=[*bench.rows.notes, *_notes(run)],
        seconds=0.0,
    )


def _model(
    run: Run, variant: Variant, baseline: str | None, results: Sequence[FoldResult], heads: list[HeadFigures]
) -> Model:
    by_fold = {result.fold: result for result in results}
    return Model(
        name=variant.name,
        kind=variant.kind.name,
        title=variant.kind.title,
        settings=variant.settings.as_dict(),
        adversaries=list(variant.adversaries),
        baseline=baseline,
        folds=[_fold_run(run, variant, fold, by_fold.get(fold)) for fold in run.folds],
        heads=heads,
    )


def _fold_run(run: Run, variant: Variant, fold: int, result: FoldResult | None) -> FoldRun:
    if result is None:
        error = run.failed.get((variant.name, fold))
        reasons = [str(problem) for problem in error.problems] if error else ["its predictions are gone"]
        return FoldRun(fold=fold + 1, status="failed", reasons=reasons)
    first: Head = result.heads[0]
    return FoldRun(
        fold=fold + 1,
        status="ok",
        epochs=result.facts["epochs"],
        best_epoch=result.facts["best_epoch"],
        stopped=result.facts["stopped"],
        threshold=result.thresholds.get(first),
        fixed_threshold=result.thresholds.get("fixed"),
        seconds=result.facts["seconds"],
        resumed=(variant.name, fold) in run.resumed,
    )


def _sizes(bench: Bench, *, known: bool) -> dict[str, int]:
    """Return the rows of each seen or of each unseen cluster."""
    clusters = bench.rows.clusters
    assert clusters is not None
    sizes = np.bincount(clusters.codes[clusters.codes >= 0], minlength=len(clusters.names))
    found = {
        name: int(size)
        for name, size, is_known in zip(clusters.names, sizes, clusters.known, strict=True)
        if bool(is_known) == known and size
    }
    missing = int((clusters.codes < 0).sum())
    return found | ({"(missing)": missing} if missing and not known else {})


def _attributes(truth: Truth, index: Any) -> list[AttributeRows]:
    seen = np.zeros(len(truth.outcome), dtype=bool)
    seen[index] = True
    found = []
    for name, attribute in truth.attributes.items():
        k, codes = len(attribute.groups), attribute.codes
        sizes = [np.bincount(codes[part & (codes >= 0)], minlength=k).tolist() for part in (seen, ~seen)]
        missing = int((codes < 0).sum())
        groups = list(attribute.groups)
        found.append(AttributeRows(name=name, groups=groups, seen=sizes[0], unseen=sizes[1], missing=missing))
    return found


def _statement(run: Run) -> str:
    bench = run.bench
    seen = int((bench.fold >= 0).sum())
    clusters = len(bench.rows.names)
    folds = count(len(run.folds), "fold")
    if len(run.folds) < bench.protocol.folds:
        folds = f"{len(run.folds)} of {bench.protocol.folds} folds"
    told = f"{count(len(run.variants), 'network')} in {folds} of {seen:,} rows of {clusters} seen clusters"
    unseen = len(bench.fold) - seen
    return f"{told}, and {unseen:,} rows of unseen clusters." if unseen else f"{told}."


def _notes(run: Run) -> Iterator[str]:
    if run.bench.rows.dropped:
        yield f"{count(run.bench.rows.dropped, 'row')} without an attribute left out."
    for name in sorted({name for name, _ in run.failed}):
        folds = sorted(fold + 1 for other, fold in run.failed if other == name)
        told = ", ".join(map(str, folds))
        yield f"{name}: fold{'s' if len(folds) > 1 else ''} {told} failed; its figures are of the others."
