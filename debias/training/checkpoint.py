"""A training's state after an epoch, in a file: written whole or not at all, and read without running anything."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from debias.errors import ModelError, Problem
from debias.files import write_atomic

FORMAT = 1
_REMEDY = "Name another checkpoint, or start anew without resuming."


def identity(**parts: Any) -> dict[str, Any]:
    """Return what a checkpoint belongs to: the parts given, and the versions that decide every bit."""
    return {"format": FORMAT, "torch": str(torch.__version__), **parts}


def write(path: Path, belongs_to: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a checkpoint in place of an older one.

    Raises
    ------
    WriteError
        When the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"identity": dict(belongs_to), "state": dict(state)}, buffer)
    write_atomic(path, buffer.getvalue(), force=True)


def read(path: Path, belongs_to: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the state in a checkpoint; None where there is no file.

    Raises
    ------
    ModelError
        The file is no checkpoint, or one of another training: what differs is named.
    """
    if not path.exists():
        return None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        kept, state = found["identity"], found["state"]
        differing = [name for name in belongs_to if kept.get(name) != belongs_to[name]]
    except OSError as error:
        raise ModelError(Problem(f"cannot be read: {error.strerror}", str(path), _REMEDY)) from None
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        IndexError,
    ):
        raise ModelError(Problem("is no checkpoint of a training", str(path), _REMEDY)) from None
    if differing:
        raise ModelError(
            Problem(f"is a checkpoint of another training: {_named(differing, kept, belongs_to)}", str(path), _REMEDY)
        )
    assert isinstance(state, dict)
    return state


def _named(differing: list[str], kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    parts = []
    for name in differing:
        if name == "settings" and isinstance(kept.get(name), dict):
            names = [key for key in wanted[name] if kept[name].get(key) != wanted[name][key]]
            parts.append(f"other settings ({', '.join(names)})")
        elif name in ("training rows", "validation rows"):
            parts.append(f"other {name}")
        else:
            parts.append(f"{name} {kept.get(name)}, not {wanted[name]}")
    return "; ".join(parts)
