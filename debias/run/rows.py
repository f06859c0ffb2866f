"""The rows of a run: which train, which select, which decide the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from debias.data.prepare import Prepared
from debias.data.sample import Sample
from debias.data.split import holdout, overlap
from debias.data.values import Mask
from debias.errors import together
from debias.report.values.report import Rows
from debias.run.opening import Opened
from debias.run.request import DEFAULT_FIT_SHARE


@dataclass(frozen=True)
class Parts:
    """The rows of a run, by what they are for; `source` is the table of the verdict rows, `gaps` as in `Prepared`."""

    train: Sample
    select: Sample
    verdict: Sample
    rows: Rows
    source: str
    notes: tuple[str, ...]
    gaps: Mapping[str, Mask] = field(default_factory=dict)

    @property
    def optimistic(self) -> bool:
        """True where every verdict row took part in selection."""
        return self.rows.verdict_from == "selection" or self.rows.overlap == self.rows.verdict

    @property
    def description(self) -> str:
        """The verdict rows, for a sentence."""
        number = f"{self.rows.verdict:,}"
        if self.rows.sample is not None and self.rows.verdict_from == "holdout":
            return f"the {number} rows of {self.source} that are not in the sample"
        return {
            "test": f"the {number} rows of {self.source}",
            "holdout": f"{number} rows of {self.source} that were set aside",
            "selection": f"the {number} rows of {self.source} that also chose the candidate",
            "data": "",
        }[self.rows.verdict_from]


def divide(opened: Opened, *, fits: bool = False) -> Parts:
    """Set the verdict's rows aside before anything looks at them.

    Parameters
    ----------
    opened : Opened
        Network and tables.
    fits : bool
        A method needs rows of its own (`Method.fits`): without ``--train`` a share of the selection rows is set apart
        for that, as where ``--fit-share`` says so.
    """
    request, data = opened.request, opened.data
    missing, dropped, notes = {"data": data.missing}, data.dropped, []
    select, kept_whole, repeated = data.sample, [], 0
    origin: Literal["test", "holdout", "selection"]
    roles: list[Literal["train", "test"]] = [role for role in ("train", "test") if role in opened.tables]
    prepared = together(*(partial(opened.prepare, role) for role in roles))
    others: dict[str, Prepared] = dict(zip(roles, prepared, strict=True))
    for role, other in others.items():
        missing[role], dropped = other.missing, dropped + other.dropped
        notes += list(other.notes)
    if "test" in others:
        verdict, origin = others["test"].sample, "test"
        repeated = overlap(data.sample, verdict)
    elif request.holdout > 0:
        split = holdout(data.sample, request.attributes, request.holdout, request.seed)
        select, verdict, origin = data.sample.take(split.selection), data.sample.take(split.verdict), "holdout"
        # A message about these rows says which part of the table is at fault.
        select = replace(select, name=f"{data.sample.name}, selection rows")
        verdict = replace(verdict, name=f"{data.sample.name}, verdict rows")
        kept_whole = split.kept_whole
    else:
        verdict, origin = select, "selection"
    train = select
    if "train" in others:
        train = others["train"].sample
    elif share := request.fit_share if request.fit_share is not None else DEFAULT_FIT_SHARE * fits:
        split = holdout(select, request.attributes, share, request.seed)
        select, train = select.take(split.selection), select.take(split.verdict)
        train = replace(train, name=f"{data.sample.name}, rows for gradients")
    rows = Rows(
        data=len(data.sample),
        train=len(train),
        selection=len(select),
        apart=train is not select,
        verdict=len(verdict),
        verdict_from=origin,
        overlap=repeated,
        missing_attribute=missing,
        missing_attribute_policy=request.missing_attr,
        dropped=dropped,
        kept_whole=kept_whole,
    )
    table = others.get("test", data)
    return Parts(train, select, verdict, rows, table.sample.name, tuple(notes), table.gaps)
