"""Which file a JSON report of an earlier run tells of."""

from __future__ import annotations

import re
from pathlib import Path

from debias.errors import Problem, UsageError
from debias.report.reading import read_document


def written_digest(path: Path) -> str:
    """Return the SHA-256 of the file that the run of a report wrote.

    Parameters
    ----------
    path : Path
        Report as JSON: of a repair, a comparison, a training or an adaptation.

    Raises
    ------
    UsageError
        It cannot be read, is no report, or its run wrote no file.
    """
    where = f"--against {path}"
    document = read_document(path, where)
    inner = document.get("report")
    output = (inner if isinstance(inner, dict) else document).get("output")
    digest = output.get("sha256") if isinstance(output, dict) else None
    if isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest):
        return digest
    remedy = "Give the .json report of the run that wrote the file (--report FILE.json)."
    raise UsageError(Problem("tells of no file that was written", where, remedy))
