"""What a result depends on, as one digest: the same key has the same result."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from debias.contract import SIDECAR_SUFFIX
from debias.errors import Problem
from debias.experiments.fleet.task import Task
from debias.inputs import open_input

LAYOUT = 1
"""Of what is digested; raised where an entry changes its meaning."""


@dataclass(frozen=True)
class Keyed:
    """A task with what its files hold.

    Parameters
    ----------
    task : Task
    key : str or None
        None where a file cannot be read.
    model_sha256, data_sha256 : str or None
        Of the files.
    tables : mapping of str to str
        Digests of the tables by role.
    problems : tuple of Problem
        Why there is no key.
    """

    task: Task
    key: str | None
    model_sha256: str | None = None
    data_sha256: str | None = None
    tables: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


class Digests:
    """SHA-256 of files, each read once; nothing of a file is understood, and no device or pipe is read."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], str] = {}

    def of(self, path: str) -> str:
        """Return the digest of a file.

        Raises
        ------
        OSError, ValueError
            It cannot be read, or is no file.
        """
        with open_input(path) as stream:
            told = os.fstat(stream.fileno())
            identity = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns)
            if identity not in self._known:
                self._known[identity] = hashlib.file_digest(stream, "sha256").hexdigest()
            return self._known[identity]


def keyed(task: Task, digests: Digests, surroundings: Mapping[str, Any]) -> Keyed:
    """Return a task with its key.

    Parameters
    ----------
    task : Task
    digests : Digests
    surroundings : mapping
        What else a result depends on: versions, whether files are trusted.
    """
    problems: list[Problem] = []

    def digest(path: str, what: str) -> str | None:
        try:
            return digests.of(path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            problems.append(Problem(f"the {what} cannot be read: {reason}", path, "Check the path."))
            return None

    model = digest(task.model, "model")
    tables = {role: digest(path, "table") for role, path in task.tables.items()}
    contract = _contract(task)
    contract_sha256 = None if contract is None else digest(contract, "contract")
    known = {role: value for role, value in tables.items() if value is not None}
    if problems:
        return Keyed(task, None, model, tables.get("data"), known, tuple(problems))
    whole = {
        "layout": LAYOUT,
        **surroundings,
        "verb": task.verb,
        "settings": task.settings,
        "method": task.method,
        "model": [model, _ending(task.model)],
        "tables": {role: [value, _ending(task.tables[role])] for role, value in tables.items()},
        "contract": contract_sha256,
    }
    key = hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return Keyed(task, key, model, tables["data"], known)


def _contract(task: Task) -> str | None:
    """Return the contract that goes for a model: the one named, else that beside it."""
    if task.contract is not None:
        return task.contract
    sidecar = f"{task.model}{SIDECAR_SUFFIX}"
    return sidecar if os.path.lexists(Path(sidecar)) else None


def _ending(path: str) -> str:
    """Return the endings of a name: they tell how a table is packed."""
    return "".join(PurePath(path).suffixes[-2:]).lower()
