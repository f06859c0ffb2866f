"""The pre-flight of a TorchScript file: its entries, its program text, its pickles."""

from __future__ import annotations

import re
from collections.abc import Mapping

from debias.errors import Problem
from debias.model.preflight import pickles
from debias.model.preflight.functionbody import NATIVE_CLASSES, QUANTISED
from debias.model.preflight.programtext import Program

UNUSED = ("traced_inputs.pkl", "traced_inputs/")
"""Entries that no program needs; they are not handed to torch, and so not looked at."""

_ENTRY = re.compile(
    r"""data\.pkl | constants\.pkl | traced_inputs\.pkl | (data|constants|traced_inputs)/\w+
      | code/__torch__(/[\w]+)*\.py(\.debug_pkl)? | extra/.+
      | version | byteorder | \.data/(version|serialization_id) | \.format_version""",
    re.VERBOSE,
)


def check(files: Mapping[str, bytes]) -> list[Problem]:
    """Return everything in the entries of a TorchScript file that a network has no use for.

    Parameters
    ----------
    files : mapping of str to bytes
        Name inside the root folder to content.
    """
    problems = [Problem("an entry that no TorchScript file has", name) for name in files if not _ENTRY.fullmatch(name)]
    program = Program()
    for name, content in files.items():
        if name.startswith("code/") and name.endswith(".py"):
            program.add(name, content)
    problems += program.check()
    classes = frozenset(program.classes)
    for name in ("data", "constants"):
        if f"{name}.pkl" in files:
            problems += _pickle(files[f"{name}.pkl"], files, name, classes)
    for name, content in files.items():
        if name.endswith(".debug_pkl"):
            found = pickles.scan(content, pickles.DEBUG_GLOBALS.__contains__)
            problems += [Problem(text, name) for text in found]
    return problems


def _pickle(content: bytes, files: Mapping[str, bytes], folder: str, classes: frozenset[str]) -> list[Problem]:
    quantised = False

    def allowed(name: str) -> bool:
        nonlocal quantised
        if name.startswith(NATIVE_CLASSES):
            quantised = quantised or name.startswith(f"{NATIVE_CLASSES}.quantized")
            return False
        return name in pickles.TORCHSCRIPT_GLOBALS or name.replace(" ", ".") in classes

    found = pickles.scan(content, allowed)
    remedy = QUANTISED if quantised else ""
    if not found:
        found = pickles.tensor_problems(content, files, folder)
    return [Problem(text, f"{folder}.pkl", remedy) for text in found]
