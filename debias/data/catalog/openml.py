"""Tables from OpenML, through scikit-learn, where there is a network."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from debias.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

    from debias.data.catalog.source import Source


def fetch(source: Source) -> pd.DataFrame:
    """Return the data set's table at OpenML with its target; scikit-learn keeps a copy for the next time.

    Raises
    ------
    DataError
        OpenML cannot be reached, or its answer cannot be used; with the official files as the way out.
    """
    assert source.openml is not None
    try:
        return _fetch(source.openml)
    except (OSError, ValueError, RuntimeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        found = f"data set {source.openml} could not be fetched: {first}"
        files = " and ".join(source.files)
        remedy = f"Without a network, get {files} from {source.address} and give the file or its folder as SOURCE."
        raise DataError(Problem(found, "OpenML", remedy)) from None


def _fetch(identifier: int) -> pd.DataFrame:
    from sklearn.datasets import fetch_openml

    with warnings.catch_warnings():
        # it warns before each further try; what counts is how the last one ends
        warnings.simplefilter("ignore")
        frame: pd.DataFrame = fetch_openml(data_id=identifier, as_frame=True, parser="auto").frame
    return frame
