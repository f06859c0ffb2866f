"""Every reader of files that others made, with the inputs that it is tried with: each from a seed and a number.

An input is made from a good one by a few changes that know its format: entries, opcodes, values and lines are changed,
left out, doubled and exchanged, and only now and then single bits.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from debias.errors import DebiasError
from tests.hostile.fuzzed import documents, models, tables
from tests.hostile.fuzzed.changes import Chance


@dataclass(frozen=True)
class Target:
    """A reader, and how its inputs are made.

    Parameters
    ----------
    make : callable
        Makes the input of a number.
    read : callable
        Reads bytes, with a folder to put them in; raises nothing but a `DebiasError`.
    """

    make: Callable[[Chance], bytes]
    read: Callable[[bytes, Path], None]


def outcome(target: Target, content: bytes, folder: Path) -> str:
    """Return ``read`` or ``refused``; any other error than a `DebiasError` goes on."""
    try:
        target.read(content, folder)
    except DebiasError as error:
        assert error.problems, "refused without a word"
        assert all(problem.found for problem in error.problems), "a problem without a word"
        assert sum(len(str(problem)) for problem in error.problems) < 200_000, "a message without end"
        return "refused"
    return "read"


def content_of(name: str, number: int) -> bytes:
    """Return the input of a target with a number; the same every time."""
    return TARGETS[name].make(random.Random(f"{name}:{number}"))


TARGETS: dict[str, Target] = {
    "pt": Target(models.script_made, models.model_read),
    "pt2": Target(models.export_made, models.model_read),
    "csv": Target(tables.csv_made, tables.table_read("csv")),
    "parquet": Target(tables.binary_made("parquet"), tables.table_read("parquet")),
    "arrow": Target(tables.binary_made("arrow"), tables.table_read("arrow")),
    "contract": Target(documents.contract_made, documents.contract_read),
    "report": Target(documents.report_made, documents.report_read),
    "manifest.yaml": Target(documents.manifest_made("yaml"), documents.manifest_read("yaml")),
    "manifest.toml": Target(documents.manifest_made("toml"), documents.manifest_read("toml")),
    "config": Target(documents.config_made, documents.config_read),
}
"""The readers by the name of what they read."""
