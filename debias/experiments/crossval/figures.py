"""From predictions of all folds to the figures of a cross-validation; nothing here knows how they were made.

Figures of seen clusters are of the pooled test rows, as Fair MEDL compiles them ("from the samples across all 10
folds", section 2.7): thresholded predictions are put together, then rates are counted once. Those of unseen clusters
are means over the models of the folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np

from debias.data.sample import Attribute
from debias.data.values import FloatArray, IntArray
from debias.experiments.crossval.folds import FoldResult, Head, Rows, pooled
from debias.fairness import bootstrap as boot
from debias.fairness.bootstrap import OVERALL, Scores
from debias.fairness.counts import count
from debias.fairness.dispersion import Dispersion, dispersion, regression_dispersion
from debias.fairness.metrics import auroc, balanced_accuracy, fprs, selection_rates, tprs
from debias.fairness.regression import group_means, group_mses, mae, mse, r2
from debias.report.values.crossval import AttributeFigures, Change, Figure, GroupRow, HeadFigures, Signs

Task = Literal["classification", "regression"]

SPREADS: Mapping[Task, tuple[str, ...]] = {
    "classification": ("tpr_sd", "fpr_sd", "demographic_parity", "demographic_parity_soft", "attribute_swap"),
    "regression": ("mse_sd", "demographic_parity", "attribute_swap"),
}
"""Metrics of an attribute; lower is better."""
PERFORMANCES: Mapping[Task, tuple[str, ...]] = {
    "classification": ("balanced_accuracy", "auroc", "auprc"),
    "regression": ("mse", "mae", "r2"),
}
ERRORS = ("mse", "mae")
OUR_OWN = ("demographic_parity_soft",)
"""Not one of the paper's metrics: left out where improvements are counted."""
NOT_AN_INPUT = "the network does not read the attribute, so a swap would tell nothing"
TOO_FEW = "fewer than two groups have a value"


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of all rows of the table.

    Parameters
    ----------
    outcome : ndarray of float64, shape [N]
        0 or 1, or the target of a regression in its own units.
    attributes : mapping of str to Attribute
    task : {"classification", "regression"}
    """

    outcome: FloatArray
    attributes: Mapping[str, Attribute]
    task: Task

    def take(self, rows: IntArray) -> Truth:
        """Return what is known of some rows."""
        parts = {name: attribute.take(rows) for name, attribute in self.attributes.items()}
        return Truth(self.outcome[rows], parts, self.task)


Measured = dict[tuple[str, str], float | None]
"""Value by attribute (`OVERALL` for a performance) and metric."""


def measure(truth: Truth, scores: Scores) -> Measured:
    """Return all figures of one set of predictions of these rows; None where undefined."""
    found: Measured = {(OVERALL, name): value for name, value in _performance(truth, scores).items()}
    for name, attribute in truth.attributes.items():
        spread = _dispersion(truth, scores, attribute)
        for metric in SPREADS[truth.task]:
            if metric != "attribute_swap":
                found[name, metric] = getattr(spread, metric)
        found[name, "attribute_swap"] = _swap(scores, name)
    return found


def _performance(truth: Truth, scores: Scores) -> dict[str, float | None]:
    y = truth.outcome
    if scores.decided is None:
        return {"mse": mse(scores.score, y), "mae": mae(scores.score, y), "r2": r2(scores.score, y)}
    from sklearn.metrics import average_precision_score

    label = y.astype(np.int64)
    everyone = count(scores.decided, label, np.zeros(len(y), np.int64), 1)
    return {
        "balanced_accuracy": balanced_accuracy(everyone),
        "auroc": auroc(scores.score, label),
        "auprc": float(average_precision_score(label, scores.score)) if label.any() else None,
    }


def _dispersion(truth: Truth, scores: Scores, attribute: Attribute) -> Dispersion:
    k = len(attribute.groups)
    if scores.decided is None:
        return regression_dispersion(scores.score, truth.outcome, attribute.codes, k)
    counts = count(scores.decided, truth.outcome.astype(np.int64), attribute.codes, k)
    return dispersion(counts, probabilities=scores.score, codes=attribute.codes)


def _swap(scores: Scores, name: str) -> float | None:
    if name not in scores.swapped:
        return None
    changed, changes = scores.swapped[name]
    return float(changed.sum() / changes.sum()) if changes.sum() > 0 else None


def figures(truth: Truth, results: Sequence[FoldResult]) -> list[HeadFigures]:
    """Return the figures of one model by head, on rows of seen clusters and, where there are any, of unseen ones.

    Parameters
    ----------
    truth : Truth
        Of all rows of the table.
    results : sequence of FoldResult
        The folds that were run; one or more.
    """
    return [
        _head(truth, results, head, rows)
        for rows in ("seen", "unseen")
        if len(results[0].part(rows).rows)
        for head in results[0].heads
    ]


def _head(truth: Truth, results: Sequence[FoldResult], head: Head, rows: Rows) -> HeadFigures:
    each = [(truth.take(result.part(rows).rows), result.scores(head, rows)) for result in results]
    by_fold = [measure(its, scores) for its, scores in each]
    whole: Measured = {}
    if rows == "seen":
        places, scores = pooled(results, head)
        each = [(truth.take(places), scores)]
        whole = measure(*each[0])

    def figure(attribute: str, metric: str) -> Figure:
        values = [one[attribute, metric] for one in by_fold]
        reason = None
        if attribute != OVERALL:
            reason = NOT_AN_INPUT if metric == "attribute_swap" else TOO_FEW
        return _figure(values, whole.get((attribute, metric)) if whole else _mean(values), reason)

    return HeadFigures(
        head=head,
        rows=rows,
        n=len(each[0][0].outcome),
        performance={name: figure(OVERALL, name) for name in PERFORMANCES[truth.task]},
        attributes=[
            AttributeFigures(
                attribute=name,
                figures={metric: figure(name, metric) for metric in SPREADS[truth.task]},
                groups=_groups(each, name),
            )
            for name in truth.attributes
        ],
    )


def _figure(values: Sequence[float | None], value: float | None, reason: str | None) -> Figure:
    known = np.array([item for item in values if item is not None])
    interval = boot.t_interval(known)
    return Figure(
        value=value,
        mean=float(known.mean()) if len(known) else None,
        sd=float(known.std(ddof=1)) if len(known) > 1 else None,
        low=None if interval is None else interval[0],
        high=None if interval is None else interval[1],
        folds=len(known),
        reason=reason if value is None else None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _groups(each: Sequence[tuple[Truth, Scores]], name: str) -> list[GroupRow]:
    """Return what the groups of an attribute look like; rates are means over the sets of predictions."""
    truth = each[0][0]
    attribute = truth.attributes[name]
    k, codes = len(attribute.groups), attribute.codes
    n = np.bincount(codes[codes >= 0], minlength=k)
    columns: dict[str, list[FloatArray]] = {}
    for _, scores in each:
        columns.setdefault("mean", []).append(group_means(scores.score, codes, k))
        if scores.decided is None:
            columns.setdefault("mse", []).append(group_mses(scores.score, truth.outcome, codes, k))
            continue
        counts = count(scores.decided, truth.outcome.astype(np.int64), codes, k)
        for column, rates in (("selection_rate", selection_rates), ("tpr", tprs), ("fpr", fprs)):
            columns.setdefault(column, []).append(rates(counts))
    means = {column: np.mean(values, axis=0) for column, values in columns.items()}
    positives = None
    if truth.task == "classification":
        positives = np.bincount(codes[(codes >= 0) & (truth.outcome == 1)], minlength=k)
    return [
        GroupRow(
            name=group,
            n=int(n[place]),
            positives=None if positives is None else int(positives[place]),
            **{column: _or_none(values[place]) for column, values in means.items()},
        )
        for place, group in enumerate(attribute.groups)
    ]


def _or_none(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def compare(
    truth: Truth,
    model: tuple[str, Sequence[FoldResult]],
    baseline: tuple[str, Sequence[FoldResult]],
    *,
    draws: int = boot.DRAWS,
    seed: int = 0,
) -> list[Change]:
    """Return every figure of a model beside its baseline's, in the folds that both have.

    Parameters
    ----------
    truth : Truth
        Of all rows of the table.
    model, baseline : (str, sequence of FoldResult)
        Name and results.
    draws, seed : int
        Of the bootstrap.
    """
    both = {result.fold for result in model[1]} & {result.fold for result in baseline[1]}
    after = [result for result in model[1] if result.fold in both]
    before = [result for result in baseline[1] if result.fold in both]
    found: list[Change] = []
    for rows in ("seen", "unseen"):
        for head in after[0].heads if after and len(after[0].part(rows).rows) else ():
            other = head if head in before[0].heads else before[0].heads[0]
            pair = _Pair(truth, rows, (before, other), (after, head))
            found += _corrected(list(pair.changes(model[0], baseline[0], draws, seed)))
    return found


def _corrected(changes: list[Change]) -> list[Change]:
    """Return the changes with p-values of dispersion metrics corrected for their number."""
    spreads = [place for place, change in enumerate(changes) if change.attribute is not None]
    corrected = boot.holm([changes[place].p for place in spreads])
    for place, p in zip(spreads, corrected, strict=True):
        changes[place] = changes[place].model_copy(update={"p_holm": p})
    return changes


@dataclass(frozen=True, eq=False)
class _Pair:
    """One head of a model and one of its baseline on the same rows: (results, head) before and after."""

    truth: Truth
    rows: Rows
    before: tuple[Sequence[FoldResult], Head]
    after: tuple[Sequence[FoldResult], Head]

    def changes(self, model: str, baseline: str, draws: int, seed: int) -> Iterator[Change]:
        folds = [self._by_fold(side) for side in (self.before, self.after)]
        places, sets = self._rows_and_scores()
        truth = self.truth.take(places)
        groups = {name: (item.codes, len(item.groups)) for name, item in truth.attributes.items()}
        drawn = boot.bootstrap(truth.outcome, sets, groups, draws=draws, seed=seed)
        values = [self._value(truth, each) for each in sets]
        for key in values[0]:
            attribute, metric = key
            before, after = (side[key] for side in values)
            lower_is_better = attribute != OVERALL or metric in ERRORS
            told = boot.difference(*drawn[key]) if key in drawn else boot.Difference(None, None, None, None, 0)
            series = [[_nan(fold[key]) for fold in side] for side in folds]
            both = before is not None and after is not None
            yield Change(
                model=model,
                baseline=baseline,
                head=self.after[1],
                rows=self.rows,
                attribute=attribute or None,
                metric=metric,
                before=before,
                after=after,
                difference=_nan(after) - _nan(before) if both else None,
                improvement=1 - _nan(after) / _nan(before) if both and lower_is_better and before else None,
                low=told.low,
                high=told.high,
                p=told.p,
                p_folds=boot.paired_t(*series),
            )

    def _by_fold(self, side: tuple[Sequence[FoldResult], Head]) -> list[Measured]:
        results, head = side
        ordered = sorted(results, key=lambda result: result.fold)
        return [
            measure(self.truth.take(result.part(self.rows).rows), result.scores(head, self.rows)) for result in ordered
        ]

    def _rows_and_scores(self) -> tuple[IntArray, list[list[Scores]]]:
        sides = (self.before, self.after)
        if self.rows == "unseen":
            return self.after[0][0].unseen.rows, [
                [r.scores(head, "unseen") for r in results] for results, head in sides
            ]
        found = [pooled(results, head) for results, head in sides]
        return found[0][0], [[scores] for _, scores in found]

    @staticmethod
    def _value(truth: Truth, sets: Sequence[Scores]) -> Measured:
        each = [measure(truth, scores) for scores in sets]
        return {key: _mean([one[key] for one in each]) for key in each[0]}


def _nan(value: float | None) -> float:
    return np.nan if value is None else value


def signs(model: str, baseline: str, changes: Sequence[Change]) -> Signs:
    """Return how many of the paper's dispersion metrics are lower than the baseline's, all heads and rows together."""
    counted = [
        change
        for change in changes
        if change.model == model and change.attribute is not None and change.metric not in OUR_OWN
    ]
    told = [change.difference for change in counted if change.difference is not None]
    lower = sum(value < 0 for value in told)
    # A tie is no sign, as in any sign test.
    told = [value for value in told if value != 0]
    return Signs(model=model, baseline=baseline, improved=lower, of=len(told), p=boot.sign_test(lower, len(told)))
