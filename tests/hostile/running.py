"""A fleet of hostile files, and what it must leave as it was."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hostile import archives
from tests.hostile.corpus import Hostile, Traps, listener
from tests.model import nets

GOOD = "good.pt"
COLUMNS = tuple(f"x{number}" for number in range(nets.FEATURES))


@dataclass
class Held:
    """What a fleet came to, and everything that went wrong."""

    fleet: Any
    wrong: list[str] = field(default_factory=list)


def table(path: Path, rows: int = 200) -> Path:
    """Write a table that the networks of the corpus read."""
    chance = random.Random(1)
    lines = [",".join((*COLUMNS, "sex", "label"))]
    for _ in range(rows):
        numbers = [f"{chance.gauss(0, 1):.3f}" for _ in COLUMNS]
        lines.append(",".join((*numbers, chance.choice("mf"), chance.choice("01"))))
    path.write_text("\n".join(lines) + "\n")
    return path


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return mode, size and time of change of everything below a folder."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            state = (Path(root) / name).lstat()
            found[f"{root}/{name}"] = state.st_mode, state.st_size, state.st_mtime_ns
    return found


def held(items: Sequence[Hostile], folder: Path, traps: Traps, called: Any, *, trust: bool, **options: Any) -> Held:
    """Audit every file of the corpus, and a good one, as a fleet; return what it came to and what went wrong."""
    import debias

    models = folder / "models"
    models.mkdir()
    data = table(folder / "table.csv")
    jobs: list[dict[str, Any]] = []
    for item in items:
        item.make(models / item.name)
        jobs.append({"name": f"job {len(jobs)}", "model": str(models / item.name)})
    (models / GOOD).write_bytes(archives.script())
    jobs.append({"name": GOOD, "model": str(models / GOOD)})
    asked = {"data": str(data), "attr": "sex", "label": "label", "features": list(COLUMNS), "eps": 0.5}
    before, environment = snapshot(folder), dict(os.environ)
    fleet = debias.fleet(
        {"defaults": asked, "jobs": [{**job, "model": as_pattern(job["model"])} for job in jobs]},
        cache=False,
        trust=trust,
        **options,
    )
    found = Held(fleet)
    rows = {row.name: row for row in fleet.rows}
    for job, item in zip(jobs, items, strict=False):
        row = rows.get(job["name"])
        if row is None:
            found.wrong.append(f"{item.name!r}: no line")
        elif not trust and item.says and (row.status != "refused" or not re.search(item.says, row.problem or "")):
            found.wrong.append(f"{item.name!r}: {row.status}, {row.problem}")
        elif row.status != "done" and not row.problem:
            found.wrong.append(f"{item.name!r}: {row.status} without a word")
    if rows[GOOD].status != "done":
        found.wrong.append(f"the good file: {rows[GOOD].status}, {rows[GOOD].problem}")
    if traps.file.exists():
        found.wrong.append("a file was written")
    if called():
        found.wrong.append("a port was called")
    if dict(os.environ) != environment:
        found.wrong.append("the environment was changed")
    if snapshot(folder) != before:
        found.wrong.append("files were changed")
    return found


def as_pattern(path: str) -> str:
    """Return a pattern that matches a path alone; a name that is no text cannot stand in a manifest itself."""
    return re.sub(r"[\ud800-\udfff]", "?", re.sub(r"([*?[])", r"[\1]", path))


__all__ = ["COLUMNS", "GOOD", "Held", "held", "listener", "snapshot", "table"]
