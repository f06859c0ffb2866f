"""The file of results: one JSON line a cell; half lines are passed over, of two lines of a cell the last counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from table1_cells import Cell

Line = dict[str, Any]
_KEY = ("data", "metric", "seed", "mode", "name")
_SAME = (*_KEY, "method", "settings", "objective_settings", "pool")


def read(path: Path) -> list[Line]:
    """Return the last whole line of every cell."""
    found: dict[tuple[Any, ...], Line] = {}
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
            key = tuple(line[name] for name in _KEY)
        except (ValueError, KeyError, TypeError):
            continue
        found.pop(key, None)
        found[key] = line
    return list(found.values())


def append(path: Path, line: Line) -> None:
    """Add a line; where the file ends within one, on a new line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as stream:
        if stream.tell():
            stream.seek(-1, 2)
            if stream.read() != b"\n":
                stream.write(b"\n")
        stream.write(json.dumps(line, sort_keys=True).encode() + b"\n")


def remaining(cells: list[Cell], lines: list[Line]) -> list[Cell]:
    """Return the cells without a line; a line of other settings is that of another cell."""
    done = {json.dumps({name: line.get(name) for name in _SAME}, sort_keys=True) for line in lines}
    # As JSON reads it back: a tuple of the settings is a list there.
    return [cell for cell in cells if json.dumps(cell.described(), sort_keys=True) not in done]
