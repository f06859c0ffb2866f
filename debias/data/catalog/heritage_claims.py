"""Claims of the Heritage Health Prize: cells as numbers, a year's claims put together per patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from debias.data.catalog.official import Rows, pieces
from debias.errors import DataError, Problem
from debias.words import listing

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]

_DAYS = {
    "": 0.0,
    "1 day": 1.0,
    **{f"{days} days": float(days) for days in range(2, 7)},
    "1- 2 weeks": 10.5,
    "2- 4 weeks": 21.0,
    "4- 8 weeks": 42.0,
    "8-12 weeks": 70.0,
    "12-26 weeks": 133.0,
    "26+ weeks": 182.0,
}
MONTHS = {
    "": 0.0,
    **{f"{month - 1}-{month:2d} month{'s' if month > 1 else ''}": float(month) for month in range(1, 13)},
}
_CHARLSON = {"": 0.0, "0": 0.0, "1-2": 1.5, "3-4": 3.5, "5+": 5.0}
_IDENTIFIERS = {"ProviderID": "provider", "Vendor": "vendors", "PCP": "primary_care_physicians"}
_KINDS = {
    "Specialty": "specialty",
    "PlaceSvc": "place_of_service",
    "PrimaryConditionGroup": "condition_group",
    "ProcedureGroup": "procedure_group",
}
_MEASURES = ("PayDelay", "LengthOfStay", "DSFS", "CharlsonIndex", "SupLOS")
_CLAIMS = ("MemberID", "Year", *_IDENTIFIERS, *_KINDS, *_MEASURES)


@dataclass(frozen=True)
class Patients:
    """Members whose days in hospital are known, in ascending order of their identifiers."""

    members: Integers
    order: Integers

    @classmethod
    def of(cls, stays: Rows) -> Patients:
        identifiers = stays.integers("MemberID")
        members, first = np.unique(identifiers, return_index=True)
        if len(members) < len(identifiers):
            repeated = np.setdiff1d(np.arange(len(identifiers)), first)[0]
            found = f"member {identifiers[repeated]} comes twice"
            raise DataError(Problem(found, f"{stays.where}, row {repeated + 1}", "Give the official file, unchanged."))
        return cls(members, first)

    def __len__(self) -> int:
        return len(self.members)

    def ordered(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return values of the file of days in the order of the patients."""
        return np.asarray(values[self.order])

    def positions(self, identifiers: Integers) -> Integers:
        """Return the position of each member, −1 for others."""
        at = np.searchsorted(self.members, identifiers)
        at[at == len(self.members)] = 0
        return np.where(self.members[at] == identifiers, at, -1)


def measured(rows: Rows, column: str, known: Mapping[str, float]) -> Numbers:
    """Return the number that stands for each text of a column.

    Raises
    ------
    DataError
        With the texts that stand for none.
    """
    codes, distinct = rows.levels(column)
    if strange := [text for text in distinct if text not in known]:
        raise strange_cells(rows, column, strange)
    return np.array([known[text] for text in distinct])[codes]


def capped(rows: Rows, column: str, highest: int) -> Numbers:
    """Return a count whose highest value is written with a plus, as in ``162+``; NaN where a cell is empty.

    Raises
    ------
    DataError
        With the cells that are no such count.
    """
    top = f"{highest}+"
    codes, distinct = rows.levels(column)
    if strange := [cell for cell in distinct if cell not in ("", top) and not (cell.isascii() and cell.isdigit())]:
        raise strange_cells(rows, column, strange)
    return np.array([float(cell.rstrip("+") or "nan") for cell in distinct])[codes]


def in_year(rows: Rows, year: str) -> npt.NDArray[np.bool_]:
    """Return which rows are of a year."""
    codes, years = rows.levels("Year")
    if strange := [cell for cell in years if cell not in ("Y1", "Y2", "Y3")]:
        raise strange_cells(rows, "Year", strange)
    return np.array([cell == year for cell in years])[codes]


def strange_cells(rows: Rows, column: str, values: list[str]) -> DataError:
    """Return the error for cells that the data dictionary does not have."""
    found = f"column {column!r} holds {listing(values)}, which the data dictionary does not have"
    where = f"{rows.where}, from row {rows.start + 1} on"
    return DataError(Problem(found, where, "Give the official file of release 3."))


@dataclass
class Claims:
    """A year's claims of the patients, in numbers."""

    size: int
    patient: Integers
    texts: dict[str, tuple[npt.NDArray[np.int32], list[str]]]
    measures: dict[str, Numbers]

    @classmethod
    def read(cls, path: Path, patients: Patients, year: str) -> tuple[Claims, int]:
        """Read the file in pieces; return the claims that are kept, and how many there are in the file."""
        at: list[Integers] = []
        texts = {name: _Texts() for name in (*_IDENTIFIERS, *_KINDS)}
        measures: dict[str, list[Numbers]] = {name: [] for name in _MEASURES}
        counted = 0
        for rows in pieces(path, _CLAIMS):
            counted += len(rows)
            position = patients.positions(rows.integers("MemberID"))
            kept = in_year(rows, year) & (position >= 0)
            at.append(position[kept])
            for name, made in texts.items():
                made.add(*rows.levels(name), kept)
            for name, values in _numbers_of(rows).items():
                measures[name].append(values[kept])
        joined = {name: np.concatenate(parts) for name, parts in measures.items()}
        return cls(len(patients), np.concatenate(at), {n: t.done() for n, t in texts.items()}, joined), counted

    def features(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return what the claims say of each patient."""
        made: dict[str, npt.NDArray[np.generic]] = {"claims": self._sum(np.ones(len(self.patient))).astype(np.int64)}
        made |= {name: self._distinct(column) for column, name in _IDENTIFIERS.items() if column != "ProviderID"}
        made |= {name: self.most_frequent(column) for column, name in _KINDS.items()}
        delay = self.measures["PayDelay"]
        known = ~np.isnan(delay)
        with np.errstate(invalid="ignore"):
            made["pay_delay"] = self._sum(np.where(known, delay, 0)) / self._sum(known.astype(float))
        made["length_of_stay"] = self._sum(self.measures["LengthOfStay"])
        made["suppressed_stays"] = self._sum(self.measures["SupLOS"]).astype(np.int64)
        made["charlson_index"] = self._largest(self.measures["CharlsonIndex"])
        made["months_since_first_claim"] = self._largest(self.measures["DSFS"]).astype(np.int64)
        return made

    def most_frequent(self, column: str) -> Objects:
        """Return each patient's most frequent text; of equally frequent ones the first in the alphabet."""
        codes, names = self.texts[column]
        present = codes >= 0
        # names in ascending order, so that the smaller code wins
        pairs, counts = np.unique(self.patient[present] * len(names) + codes[present], return_counts=True)
        patient, code = np.divmod(pairs, max(len(names), 1))
        order = np.lexsort((code, -counts, patient))
        first = order[np.flatnonzero(np.diff(patient[order], prepend=-1))]
        made = np.full(self.size, None, dtype=object)
        made[patient[first]] = np.array([*names, None], dtype=object)[code[first]]
        return made

    def _distinct(self, column: str) -> Integers:
        codes, names = self.texts[column]
        present = codes >= 0
        pairs = np.unique(self.patient[present] * len(names) + codes[present])
        return np.bincount(pairs // max(len(names), 1), minlength=self.size)

    def _sum(self, values: Numbers) -> Numbers:
        return np.bincount(self.patient, weights=values, minlength=self.size).astype(np.float64)

    def _largest(self, values: Numbers) -> Numbers:
        made = np.zeros(self.size)
        np.maximum.at(made, self.patient, values)
        return made


def _numbers_of(rows: Rows) -> dict[str, Numbers]:
    return {
        "PayDelay": capped(rows, "PayDelay", 162),
        "LengthOfStay": measured(rows, "LengthOfStay", _DAYS),
        "DSFS": measured(rows, "DSFS", MONTHS),
        "CharlsonIndex": measured(rows, "CharlsonIndex", _CHARLSON),
        "SupLOS": rows.integers("SupLOS").astype(np.float64),
    }


class _Texts:
    """A text column that grows piece by piece, as codes."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.codes: list[npt.NDArray[np.int32]] = []

    def add(self, codes: Integers, names: list[str], kept: npt.NDArray[np.bool_]) -> None:
        """Take the kept cells of a piece: codes over its own names, of which the empty one is missing."""
        own = [self.known.setdefault(name, len(self.known)) if name else -1 for name in names]
        self.codes.append(np.array(own, dtype=np.int32)[codes[kept]])

    def done(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        """Return the codes over the names in ascending order, numbers by their size; −1 where missing."""
        names = sorted(self.known, key=lambda text: (not text.isdigit(), int(text) if text.isdigit() else 0, text))
        rank = np.full(len(names) + 1, -1, dtype=np.int32)
        for code, name in enumerate(names):
            rank[self.known[name]] = code
        return rank[np.concatenate(self.codes)], names
