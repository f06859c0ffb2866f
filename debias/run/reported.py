"""Which file a JSON report of an earlier run tells of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from debias.errors import Problem, UsageError

MOST = 256 << 20
"""Largest report that is read, in bytes."""


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
    document = _read(path, where)
    inner = document.get("report")
    output = (inner if isinstance(inner, dict) else document).get("output")
    digest = output.get("sha256") if isinstance(output, dict) else None
    if isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest):
        return digest
    remedy = "Give the .json report of the run that wrote the file (--report FILE.json)."
    raise UsageError(Problem("tells of no file that was written", where, remedy))


def _read(path: Path, where: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST:
            raise UsageError(Problem(f"is larger than {MOST:,} bytes", where, "Is this the report?"))
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(Problem(f"cannot be read: {error.strerror}", where, "Check the path.")) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(Problem(f"is no JSON: {error}", where, "Give the .json report of the run.")) from None
    if not isinstance(found, dict):
        raise UsageError(Problem(f"is a JSON {type(found).__name__}, no report", where, "Give the .json report."))
    return found
