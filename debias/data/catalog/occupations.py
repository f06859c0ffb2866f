"""Codes of occupations, and the groups that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from debias.data.catalog.official import Codes
from debias.errors import DataError, Problem
from debias.words import listing, show

Ranges = Sequence[tuple[int, int, str]]

MAJOR_GROUPS_2018: Ranges = (
    (10, 440, "Management"),
    (500, 960, "Business and financial operations"),
    (1005, 1240, "Computer and mathematical"),
    (1305, 1560, "Architecture and engineering"),
    (1600, 1980, "Life, physical and social science"),
    (2001, 2060, "Community and social service"),
    (2100, 2180, "Legal"),
    (2205, 2555, "Education and library"),
    (2600, 2920, "Arts, entertainment, sports and media"),
    (3000, 3550, "Healthcare practitioners and technical"),
    (3601, 3655, "Healthcare support"),
    (3700, 3960, "Protective service"),
    (4000, 4160, "Food preparation and serving"),
    (4200, 4255, "Building and grounds cleaning"),
    (4330, 4655, "Personal care and service"),
    (4700, 4965, "Sales"),
    (5000, 5940, "Office and administrative support"),
    (6005, 6130, "Farming, fishing and forestry"),
    (6200, 6950, "Construction and extraction"),
    (7000, 7640, "Installation, maintenance and repair"),
    (7700, 8990, "Production"),
    (9005, 9760, "Transportation and material moving"),
    (9800, 9830, "Military"),
    (9920, 9920, "Unemployed, no recent work"),
)
"""First and last code of each major group: US Census Bureau, 2018 Census occupation code list with its crosswalk to the
2018 Standard Occupational Classification (census.gov, industry and occupation code lists). PUMS from 2018 on."""

ADULT_1990: Ranges = (
    (3, 37, "Exec-managerial"),
    (43, 200, "Prof-specialty"),
    (203, 235, "Tech-support"),
    (243, 290, "Sales"),
    (303, 391, "Adm-clerical"),
    (405, 408, "Priv-house-serv"),
    (413, 427, "Protective-serv"),
    (433, 469, "Other-service"),
    (473, 499, "Farming-fishing"),
    (503, 699, "Craft-repair"),
    (703, 799, "Machine-op-inspct"),
    (803, 859, "Transport-moving"),
    (864, 890, "Handlers-cleaners"),
    (903, 905, "Armed-Forces"),
)
"""Groups of the 1990 census classification (IPUMS OCC1990), under the names that UCI Adult gives to the same groups."""

ADULT_2000: Ranges = (
    (10, 950, "Exec-managerial"),
    (1000, 1530, "Prof-specialty"),
    (1540, 1560, "Tech-support"),
    (1600, 1860, "Prof-specialty"),
    (1900, 1960, "Tech-support"),
    (2000, 3260, "Prof-specialty"),
    (3300, 3540, "Tech-support"),
    (3600, 3650, "Other-service"),
    (3700, 3950, "Protective-serv"),
    (4000, 4650, "Other-service"),
    (4700, 4960, "Sales"),
    (5000, 5930, "Adm-clerical"),
    (6000, 6130, "Farming-fishing"),
    (6200, 7620, "Craft-repair"),
    (7700, 8960, "Machine-op-inspct"),
    (9000, 9600, "Transport-moving"),
    (9610, 9640, "Handlers-cleaners"),
    (9650, 9750, "Transport-moving"),
    (9800, 9840, "Armed-Forces"),
)
"""Groups of the 2000 census classification (OCC of the American Community Survey 2006, four digits), put under Adult's
names by us; private households are none of its occupations."""


def grouped(
    codes: Codes, ranges: Ranges, column: str, where: str, other: str, others: Sequence[int] = ()
) -> npt.NDArray[np.object_]:
    """Return the group of each occupation.

    Parameters
    ----------
    codes : ndarray of float, shape [N]
        NaN where missing.
    ranges : sequence of (first, last, name)
        In ascending order.
    column, where : str
        For the error.
    other : str
        Name for missing codes and for `others`.

    Raises
    ------
    DataError
        With the codes that are in no range.
    """
    first, last, names = (np.array(values) for values in zip(*ranges, strict=True))
    distinct, inverse = np.unique(np.nan_to_num(codes, nan=-1).astype(np.int64), return_inverse=True)
    at = np.searchsorted(first, distinct, side="right") - 1
    inside = (at >= 0) & (distinct <= last[at])
    left_out = np.isin(distinct, [-1, *others])
    if strange := distinct[~inside & ~left_out].tolist():
        found = f"column {show(column)} holds {listing(strange)}, which are no codes of this classification"
        raise DataError(Problem(found, where, "Give the official file of the year that the catalog names."))
    lookup = np.where(inside & ~left_out, names[at], other).astype(object)
    return np.asarray(lookup[inverse], dtype=object)
