"""Which files and versions a figure comes from."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from debias.data.tables import Table
from debias.model.archive import Archive
from debias.report.values.report import ModelInfo, TableInfo


def model_info(archive: Archive, path: str | Path | None = None) -> ModelInfo:
    """Return the report's entry of a model file."""
    return ModelInfo(path=str(path or archive.path), format=archive.format, size=archive.size, sha256=archive.sha256)


def table_info(table: Table) -> TableInfo:
    """Return the report's entry of a table."""
    return TableInfo(path=table.name, rows=len(table), sha256=table.sha256)


def now() -> str:
    """Return the time in UTC to the second, as ISO 8601; that of SOURCE_DATE_EPOCH where it is set."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdecimal() else datetime.now(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def versions() -> dict[str, str]:
    """Return the versions that a figure may depend on."""
    import pandas as pd
    import torch

    import debias

    return {
        "debias": debias.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "pandas": pd.__version__,
    }
