"""What the census tables share: brackets of age, the income above 50,000."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

AGE_BRACKETS = ("<=30", "31-45", ">45")
"""Table 1 of the Fair MEDL paper; its text says "<30"."""

ABOVE, BELOW = ">50K", "<=50K"
INCOME = 50_000


def age_bracket(age: npt.NDArray[np.floating] | npt.NDArray[np.integer]) -> npt.NDArray[np.object_]:
    """Return the bracket of each age in years: at most 30, 31 to 45, above 45."""
    return np.array(AGE_BRACKETS, dtype=object)[np.searchsorted([30, 45], age, side="left")]


def above(high: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    """Return ``>50K`` where `high`, else ``<=50K``, as Adult spells them."""
    return np.where(high, ABOVE, BELOW).astype(object)
