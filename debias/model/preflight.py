"""Look at a model file before it is loaded: what it is, and every reason not to load it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from debias.errors import Problem
from debias.model.entries import read_entries


@dataclass(frozen=True)
class Reason:
    """One reason to refuse a file.

    Parameters
    ----------
    problem : Problem
        What was found and where.
    content : bool
        True where a user who trusts the file may override it; False where the file is broken, ambiguous or no model.
    """

    problem: Problem
    content: bool = False


@dataclass(frozen=True)
class Preflight:
    """What the pre-flight found.

    Parameters
    ----------
    format : {"torchscript", "export"} or None
        None where the file is neither.
    files : mapping of str to bytes
        The entries to load, by name inside the root folder.
    reasons : tuple of Reason
        Every reason to refuse the file; empty when it may be loaded.
    static : bool
        True for an exported program without a dynamic size.
    """

    format: Literal["torchscript", "export"] | None
    files: Mapping[str, bytes] = field(repr=False)
    reasons: tuple[Reason, ...] = ()
    static: bool = False


def check(data: bytes, where: str) -> Preflight:
    """Check the bytes of a model file. Nothing of it is executed, and torch is not needed.

    Parameters
    ----------
    data : bytes
        The whole file.
    where : str
        What to call the file in a problem, usually its path.
    """
    found, problems = read_entries(data, where)
    if found is None:
        return Preflight(None, {}, tuple(Reason(problem) for problem in problems))
    files = found.files
    if "archive_format" in files:
        return Preflight("export", files)
    return Preflight("torchscript", files)
