"""Look at a model file before it is loaded: what it is, and every reason not to load it.

Loading a TorchScript file or an exported program can run code of its author: a scripted ``__setstate__``, a pickle, a
shape expression that is evaluated, a name that becomes part of generated Python. None of that is needed to look at the
file, so nothing of it is executed here, and only what passes is handed to torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from debias.errors import Problem
from debias.model.preflight import export, torchscript
from debias.model.preflight.entries import read_entries

MAX_REASONS = 40
"""Most reasons that are listed; how many more there are is said."""

_LONGEST = 400
_TRUST = "If you know who made the file, --trust loads it all the same."


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
        The entries by name inside the root folder.
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
    if not data.startswith(b"PK"):
        return Preflight(None, {}, (Reason(_no_zip(data, where)),))
    found, problems = read_entries(data, where)
    if found is None:
        return Preflight(None, {}, tuple(map(Reason, problems)))
    files = found.files
    problem = _other_layout(files, where)
    if problem is not None:
        return Preflight(None, files, (Reason(problem),))
    if "archive_format" in files:
        findings, static = export.check(files)
        return Preflight("export", files, _reasons(findings, where), static)
    return Preflight("torchscript", files, _reasons(torchscript.check(files), where))


def _no_zip(data: bytes, where: str) -> Problem:
    if data[:1] == b"\x80" or data[:10] == b"ustar" or data[257:262] == b"ustar":
        return Problem(
            "a bare pickle or an old torch.save file, which runs code when it is read",
            where,
            "In the program that made the model: torch.jit.script(model).save('model.pt'), or torch.export.save.",
        )
    found = f"not a model file: no zip, it starts with {data[:8]!r}"
    return Problem(found, where, "Name a TorchScript .pt or a torch.export .pt2 file.")


def _other_layout(files: Mapping[str, bytes], where: str) -> Problem | None:
    """Zips that are not of today's two formats."""
    code = any(name.startswith("code/") for name in files)
    again = "Load it with the torch that wrote it, and save it with a torch of 2.10 or later."
    if "archive_format" in files:
        if files["archive_format"] != b"pt2":
            return Problem(f"an archive of the format {files['archive_format'][:20]!r}", where, again)
        if code or "data.pkl" in files:
            return Problem("both a TorchScript file and an exported program", where, "Save the model again.")
        return None
    if any(name.startswith("serialized_exported_program") for name in files):
        return Problem("an exported program of an old layout", where, again)
    if "model.json" in files or "attributes.pkl" in files or any(name.startswith("tensors/") for name in files):
        return Problem("a TorchScript file of an old layout", where, again)
    if code and "data.pkl" in files and "constants.pkl" in files:
        return None
    if "data.pkl" in files:
        return Problem(
            "a torch.save file: it holds weights or a pickled module, not a program",
            where,
            "In the program that made the model: torch.jit.script(model).save('model.pt'), or torch.export.save.",
        )
    return Problem("a zip, but neither a TorchScript file nor an exported program", where, "Name a .pt or .pt2 file.")


def _reasons(findings: list[Problem], where: str) -> tuple[Reason, ...]:
    """One reason for each thing that was found, with its first place and the number of others."""
    groups: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding.found, finding.remedy), []).append(finding.where)
    reasons = []
    for (found, remedy), places in groups.items():
        others = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        place = f"{where}: {_short(places[0])}{others}"
        problem = Problem(_short(found), place, remedy or _TRUST)
        reasons.append(Reason(problem, content=True))
    if len(reasons) > MAX_REASONS:
        rest = Problem(f"{len(reasons) - MAX_REASONS} further reasons", where, _TRUST)
        reasons[MAX_REASONS:] = [Reason(rest, content=True)]
    return tuple(reasons)


def _short(text: str) -> str:
    """The text without the middle of what is longer than a few lines: a name of the file may be as long as the file."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
