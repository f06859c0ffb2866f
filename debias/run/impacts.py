"""Impact ratios of every attribute, of the columns of an intersection, and of attributes crossed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

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
class _Categories:
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
    found = []
    for each in _categories(opened, measured):
        lacking = [gaps[name] for name in each.columns if name in gaps]
        dropped = opened.data.grouping.missing_attr == "drop" and lacking
        found.append(
            Impact(
                attributes=list(each.attributes),
                n=int((each.codes >= 0).sum()),
                unknown=int((each.codes < 0).sum()),
                left_out=int(np.any(lacking, axis=0).sum()) if dropped else 0,
                small_share=SMALL_SHARE,
                before=_rates(opened, measured, each, before),
                after=[] if after is None else _rates(opened, measured, each, after),
            )
        )
    return [each for each in found if each.n]


def _categories(opened: Opened, measured: Measured) -> Iterator[_Categories]:
    groupings = opened.data.groupings
    asked = [_known(item, groupings[item.name].missing) for item in measured.sample.attributes.values()]
    columns = {item.name: frozenset(each.column for each in groupings[item.name].columns) for item in asked}
    done = set()
    for item in asked:
        if len(columns[item.name]) == 1:
            done.add(columns[item.name])
            names = tuple((name,) for name in item.groups)
            yield _Categories((item.name,), columns[item.name], item.codes, names, item.privileged)
    for name, column in measured.sample.columns.items():
        if frozenset({name}) not in done:
            names = tuple((group,) for group in column.groups)
            yield _Categories((name,), frozenset({name}), column.codes, names)
    for cells in all_cells(asked, groupings, measured.sample.columns):
        its = frozenset(cells.attributes)
        whole = next((item for item in asked if columns[item.name] == its), None)
        its = its.union(*(columns[name] for name in cells.attributes if name in columns))
        yield _Categories(cells.attributes, its, cells.codes, cells.names, _privileged(cells, whole))


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


def _rates(opened: Opened, measured: Measured, its: _Categories, outcome: Outcome) -> list[RateImpact]:
    """Return selection rates (but for a regression) and scoring rates."""
    weight = measured.sample.weight
    found = []
    if outcome.chosen is not None:
        found.append(_Rated("selection", its, outcome.chosen, weight).told())
    median = weighted_median(outcome.scores, weight)
    if median is not None:
        negative = opened.data.favorable == "negative"
        above = outcome.scores < median if negative else outcome.scores > median
        turned = -outcome.scores if negative else outcome.scores
        shown = 1 - outcome.scores if negative and outcome.chosen is not None else outcome.scores
        at = 1 - median if negative and outcome.chosen is not None else median
        found.append(_Rated("scoring", its, above, weight, turned, shown, at).told())
    return found


@dataclass(frozen=True, eq=False)
class _Rated:
    """The categories with the rows that count as selected; `scores` are higher where more favourable."""

    rate: Literal["selection", "scoring"]
    its: _Categories
    chosen: Mask
    weight: FloatArray | None
    scores: FloatArray | None = None
    shown: FloatArray | None = None
    median: float | None = None

    def told(self) -> RateImpact:
        counts = self._counts()
        rates, n = selection_rates(counts), counts.n
        shares = n / max(int(n.sum()), 1)
        small = shares < SMALL_SHARE
        top = highest(rates)
        large = highest(rates, ~small) if small[n > 0].any() else None
        references = {"highest": top, "large": large, "privileged": self.its.privileged}
        beside = {name: self._beside(counts, at) for name, at in references.items()}
        means = self._means()
        groups = [
            GroupImpact(
                groups=list(self.its.names[k]),
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
        names = {name: None if at is None else list(self.its.names[at]) for name, at in references.items()}
        return RateImpact(rate=self.rate, median=self.median, groups=groups, **names)

    def _counts(self) -> Counts:
        nobody = np.zeros(len(self.chosen), np.int64)
        return count(self.chosen, nobody, self.its.codes, len(self.its.names), self.weight)

    def _means(self) -> FloatArray | None:
        if self.shown is None:
            return None
        return group_means(self.shown, self.its.codes, len(self.its.names), self.weight)

    def _beside(self, counts: Counts, reference: int | None) -> Sequence[Compared] | None:
        if reference is None:
            return None
        found, k = impact(counts, reference), len(self.its.names)
        smd = np.full(k, np.nan)
        if self.scores is not None:
            smd = standardised_differences(self.scores, self.its.codes, k, reference, self.weight)
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
