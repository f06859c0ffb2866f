"""The rows of a run: which train, which select, which decide the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from debias.data.sample import Sample
from debias.data.split import holdout, overlap
from debias.data.tables import Table
from debias.report.model import Rows
from debias.run.opening import Opened


@dataclass(frozen=True)
class Parts:
    """The rows of a run, by what they are for."""

    train: Sample
    select: Sample
    verdict: Sample
    rows: Rows
    tables: Mapping[str, Table]
    notes: tuple[str, ...]

    @property
    def optimistic(self) -> bool:
        """True where every verdict row took part in selection."""
        return self.rows.verdict_from == "selection" or self.rows.overlap == len(self.verdict)

    @property
    def description(self) -> str:
        """The verdict rows, for a sentence."""
        number = f"{len(self.verdict):,}"
        return {
            "test": f"the {number} rows of {self.verdict.name}",
            "holdout": f"{number} rows of {self.verdict.name} that were set aside",
            "selection": f"the {number} rows of {self.verdict.name} that also chose the candidate",
            "data": "",
        }[self.rows.verdict_from]


def divide(opened: Opened) -> Parts:
    """Set the verdict's rows aside before anything looks at them."""
    request, data = opened.request, opened.data
    tables: dict[str, Table] = dict(opened.tables)
    missing, dropped, notes = {"data": data.missing}, data.dropped, []
    select, kept_whole, repeated = data.sample, [], 0
    origin: Literal["test", "holdout", "selection"]
    if request.test is not None:
        test, tables["test"] = opened.prepare(request.test, "test")
        verdict, origin = test.sample, "test"
        missing["test"], dropped = test.missing, dropped + test.dropped
        repeated = overlap(data.sample, verdict)
        notes += list(test.notes)
    elif request.holdout > 0:
        split = holdout(data.sample, request.attr, request.holdout, request.seed)
        select, verdict, origin = data.sample.take(split.selection), data.sample.take(split.verdict), "holdout"
        kept_whole = split.kept_whole
    else:
        verdict, origin = select, "selection"
    train = select
    if request.train is not None:
        prepared, tables["train"] = opened.prepare(request.train, "train")
        train = prepared.sample
        missing["train"], dropped = prepared.missing, dropped + prepared.dropped
        notes += list(prepared.notes)
    rows = Rows(
        data=len(data.sample),
        train=len(train),
        selection=len(select),
        verdict=len(verdict),
        verdict_from=origin,
        overlap=repeated,
        missing_attribute=missing,
        missing_attribute_policy=request.missing_attr,
        dropped=dropped,
        kept_whole=kept_whole,
    )
    return Parts(train, select, verdict, rows, tables, tuple(notes))
