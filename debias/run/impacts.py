"""Impact ratios of every attribute, of the columns of an intersection, and of attributes crossed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from debias.data.grouping import Grouping
from debias.data.groups import MISSING_GROUP
from debias.data.sample import Attribute
from debias.data.values import Mask
from debias.fairness.counts import Counts, FloatArray, IntArray, count
from debias.fairness.impact import SMALL_SHARE, highest, impact, standardised_differences, weighted_median
from debias.fairness.metrics import selection_rates
from debias.fairness.regression import group_means
from debias.report.values.impact import Compared, GroupImpact, Impact, RateImpact
from debias.run.deciding import decided
from debias.run.evidence.crossings import Cells, all_cells
from debias.run.figures import Measured
from debias.run.opening import Opened


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a network gives for the verdict rows.

    Parameters
    ----------
    chosen : ndarray of bool, shape [N], or None
        True where the decision is the favourable one; None of a regression.
    scores : ndarray of float64, shape [N]
        P(positive label), of a regression the prediction.
    """

    chosen: Mask | None
    scores: FloatArray

    @classmethod
    def of(cls, opened: Opened, output: Tensor) -> Outcome:
        """Return what a file's output [N, …] says."""
        scores = opened.network.head.probabilities(output).double().numpy().reshape(-1)
        if opened.network.head.kind == "value":
            return cls(None, scores)
        decisions = decided(opened, output)
        return cls(~decisions if opened.data.favorable == "negative" else decisions, scores)


@dataclass(frozen=True, eq=False)
class Categories:
    """Rows by category: `codes` [N] is an index into `names`, −1 for a row in none."""

    attributes: tuple[str, ...]
    columns: frozenset[str]
    codes: IntArray
    names: tuple[tuple[str, ...], ...]
    privileged: int | None = None


def impacts(
    opened: Opened, measured: Measured, gaps: Mapping[str, Mask], before: Outcome, after: Outcome | None = None
) -> list[Impact]:
    """Return the rates of all categories and how they compare, single attributes first.

    Parameters
    ----------
    opened : Opened
        Tells how the attributes became groups.
    measured : Measured
        The verdict rows.
    gaps : mapping of str to ndarray of bool
        `Prepared.gaps` of the table that they come from.
    before, after : Outcome
        As deployed, and repaired; no `after` for an audit.
    """
    sample = measured.sample
    sides = [None if each is None else partial(_rates, opened, measured, each) for each in (before, after)]
    assert sides[0] is not None
    return impacts_of(sample.attributes, sample.columns, opened.data.groupings, gaps, sides[0], sides[1])


def impacts_of(
    attributes: Mapping[str, Attribute],
    columns: Mapping[str, Attribute],
    groupings: Mapping[str, Grouping],
    gaps: Mapping[str, Mask],
    before: Rater,
    after: Rater | None = None,
    amounts: IntArray | None = None,
    gap_amounts: IntArray | None = None,
) -> list[Impact]:
    """Return the rates of all categories, whatever they are counted from.

    Parameters
    ----------
    attributes, columns : mapping of str to Attribute
        As in `debias.data.sample.Sample`.
    groupings, gaps : mapping
        As in `debias.data.prepare.Prepared`.
    before, after : callable
        Returns the rates of categories.
    amounts, gap_amounts : ndarray of int64, optional
        Rows that each row of the attributes, and of the gaps, stands for. Default: one.
    """

    def size(rows: Mask, each: IntArray | None) -> int:
        return int(rows.sum() if each is None else each[rows].sum())

    found = []
    for each in _categories(attributes, columns, groupings):
        lacking = [gaps[name] for name in each.columns if name in gaps]
        dropped = next(iter(groupings.values())).missing_attr == "drop" and lacking
        found.append(
            Impact(
                attributes=list(each.attributes),
                n=size(each.codes >= 0, amounts),
                unknown=size(each.codes < 0, amounts),
                left_out=size(np.any(lacking, axis=0), gap_amounts) if dropped else 0,
                small_share=SMALL_SHARE,
                before=[rated.told(each) for rated in before(each)],
                after=[] if after is None else [rated.told(each) for rated in after(each)],
            )
        )
    return [each for each in found if each.n]


def _categories(
    attributes: Mapping[str, Attribute], parts: Mapping[str, Attribute], groupings: Mapping[str, Grouping]
) -> Iterator[Categories]:
    asked = [_known(item, groupings[item.name].missing) for item in attributes.values()]
    columns = {item.name: frozenset(each.column for each in groupings[item.name].columns) for item in asked}
    done = set()
    for item in asked:
        if len(columns[item.name]) == 1:
            done.add(columns[item.name])
            names = tuple((name,) for name in item.groups)
            yield Categories((item.name,), columns[item.name], item.codes, names, item.privileged)
    for name, column in parts.items():
        if frozenset({name}) not in done:
            names = tuple((group,) for group in column.groups)
            yield Categories((name,), frozenset({name}), column.codes, names)
    for cells in all_cells(asked, groupings, parts):
        its = frozenset(cells.attributes)
        whole = next((item for item in asked if columns[item.name] == its), None)
        its = its.union(*(columns[name] for name in cells.attributes if name in columns))
        yield Categories(cells.attributes, its, cells.codes, cells.names, _privileged(cells, whole))


def _privileged(cells: Cells, whole: Attribute | None) -> int | None:
    """Return the one cell that is the privileged group of an intersection; None where it is several cells merged."""
    if whole is None or whole.privileged is None:
        return None
    places = np.unique(cells.codes[(whole.codes == whole.privileged) & (cells.codes >= 0)])
    return int(places[0]) if len(places) == 1 else None


def _known(item: Attribute, missing: int | None) -> Attribute:
    """Return an attribute whose group of missing values is no category; one merged into others stays there."""
    if missing is None or item.groups[missing] != MISSING_GROUP:
        return item
    privileged = None if item.privileged == missing else item.privileged
    return replace(item, codes=np.where(item.codes == missing, -1, item.codes), privileged=privileged)


def _rates(opened: Opened, measured: Measured, outcome: Outcome, its: Categories) -> list[Rated]:
    """Return selection rates (but for a regression) and scoring rates."""
    weight = measured.sample.weight
    found = []
    if outcome.chosen is not None:
        found.append(_rated("selection", its, outcome.chosen, weight))
    median = weighted_median(outcome.scores, weight)
    if median is not None:
        negative = opened.data.favorable == "negative"
        above = outcome.scores < median if negative else outcome.scores > median
        turned = -outcome.scores if negative else outcome.scores
        shown = 1 - outcome.scores if negative and outcome.chosen is not None else outcome.scores
        at = 1 - median if negative and outcome.chosen is not None else median
        found.append(_rated("scoring", its, above, weight, turned, shown, at))
    return found


def _rated(
    rate: Literal["selection", "scoring"],
    its: Categories,
    chosen: Mask,
    weight: FloatArray | None,
    scores: FloatArray | None = None,
    shown: FloatArray | None = None,
    median: float | None = None,
) -> Rated:
    """Return a rate of rows; `scores` [N] are higher where more favourable, `shown` [N] is what a reader is told."""
    k = len(its.names)
    nobody = np.zeros(len(chosen), np.int64)
    return Rated(
        rate,
        count(chosen, nobody, its.codes, k, weight),
        None if shown is None else group_means(shown, its.codes, k, weight),
        None if scores is None else lambda reference: standardised_differences(scores, its.codes, k, reference, weight),
        median,
    )


@dataclass(frozen=True, eq=False)
class Rated:
    """How often the rows of each category are selected.

    Parameters
    ----------
    rate : {"selection", "scoring"}
    counts : Counts
        By category; rows that are selected have the favourable decision.
    means : ndarray of float64, shape [K], or None
        Mean score of each category.
    apart : callable or None
        Returns the standardised mean differences [K] from one category.
    median : float or None
        Of a scoring rate, what the score is above.
    """

    rate: Literal["selection", "scoring"]
    counts: Counts
    means: FloatArray | None = None
    apart: Callable[[int], FloatArray] | None = None
    median: float | None = None

    def told(self, its: Categories) -> RateImpact:
        """Return the report's entry."""
        counts, means = self.counts, self.means
        rates, n = selection_rates(counts), counts.n
        shares = n / max(int(n.sum()), 1)
        small = shares < SMALL_SHARE
        top = highest(rates)
        large = highest(rates, ~small) if small[n > 0].any() else None
        references = {"highest": top, "large": large, "privileged": its.privileged}
        beside = {name: self._beside(at) for name, at in references.items()}
        groups = [
            GroupImpact(
                groups=list(its.names[k]),
                n=int(n[k]),
                share=float(shares[k]),
                small=bool(small[k]),
                selected=int(counts.selected_n[k]),
                rate=float(rates[k]),
                mean_score=None if means is None else float(means[k]),
                **{
                    name: found[k] if found and not (name == "large" and small[k]) else None
                    for name, found in beside.items()
                },
            )
            for k in range(len(n))
            if n[k]
        ]
        names = {name: None if at is None else list(its.names[at]) for name, at in references.items()}
        return RateImpact(rate=self.rate, median=self.median, groups=groups, **names)

    def _beside(self, reference: int | None) -> Sequence[Compared] | None:
        if reference is None:
            return None
        found, k = impact(self.counts, reference), self.counts.n_groups
        smd = np.full(k, np.nan) if self.apart is None else self.apart(reference)
        flags = [
            None if np.isnan(ratio) else bool(flag)
            for ratio, flag in zip(found.ratio, found.below_four_fifths, strict=True)
        ]
        columns: dict[str, npt.NDArray[Any]] = {
            "ratio": found.ratio,
            "fisher_p": found.fisher_p,
            "z": found.z,
            "z_p": found.z_p,
            "smd": smd,
        }
        return [
            Compared(below_four_fifths=flags[at], **{name: float(values[at]) for name, values in columns.items()})
            for at in range(k)
        ]


Rater = Callable[[Categories], list[Rated]]
"""Returns the rates of categories."""
