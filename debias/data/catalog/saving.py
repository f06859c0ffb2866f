"""A tidy table as the bytes of a file."""

from __future__ import annotations

import gzip
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from debias.errors import Problem, UsageError

if TYPE_CHECKING:
    import pandas as pd

_PARQUET = (".parquet",)
_TEXT = (".csv", ".csv.gz")
_ROWS = 1 << 16


def check_ending(out: Path) -> None:
    """Refuse a name whose ending is no format of a table.

    Raises
    ------
    UsageError
    """
    if not out.name.lower().endswith((*_TEXT, *_PARQUET)):
        remedy = f"End the name in {', '.join(_TEXT)} or {_PARQUET[0]}."
        raise UsageError(Problem("unknown ending", f"--out {out}", remedy))


def content(frame: pd.DataFrame, out: Path) -> bytes:
    """Return a table as CSV, CSV in gzip, or Parquet, by the ending of `out`; the same table gives the same bytes."""
    name, buffer = out.name.lower(), BytesIO()
    if name.endswith(_PARQUET):
        frame.to_parquet(buffer, index=False)
    elif name.endswith(".gz"):
        # without a time, which would make each file another
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed:
            text = TextIOWrapper(packed, encoding="utf-8", newline="")
            frame.to_csv(text, index=False, lineterminator="\n", chunksize=_ROWS)
            text.flush()
            text.detach()
    else:
        frame.to_csv(buffer, index=False, lineterminator="\n", chunksize=_ROWS)
    return buffer.getvalue()
