"""Names of jobs: those of their models where they do not tell, unique and fit for a file."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

LONGEST = 120
"""Characters of a name at most."""

_UNFIT = re.compile(r"[^\w.+=@ -]")


def fits(name: str) -> bool:
    """Return True for a name that can be that of a file anywhere, as it stands."""
    return (
        0 < len(name) <= LONGEST
        and len(os.fsencode(name)) <= 200
        and _UNFIT.search(name) is None
        and name[0] not in ". -"
        and name[-1] not in ". "
        and name.isprintable()
    )


def stem(model: str) -> str:
    """Return the name of a model file without its ending, made fit."""
    return made_fit(PurePath(model).stem, model)


def made_fit(text: str, model: str) -> str:
    """Return a text as a name; one that has to be changed gets a digest of the model's path behind it."""
    if fits(text):
        return text
    readable = _UNFIT.sub("_", text.encode("utf-8", "replace").decode("ascii", "replace"))[:80].strip(" .-_") or "model"
    return f"{readable}-{hashlib.sha256(os.fsencode(model)).hexdigest()[:8]}"


def names_of(models: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Return a name for each of different models, as short as they are told apart.

    Parameters
    ----------
    models : sequence of str
        Paths.
    taken : sequence of str
        Names that others have.

    Returns
    -------
    list of str
        The file's name without its ending; where two have it with its ending, then with folders before it.
    """
    levels = [_levels(model) for model in models]
    chosen = [0] * len(models)
    for _ in range(sum(map(len, levels))):
        names = [level[at] for level, at in zip(levels, chosen, strict=True)]
        counts = Counter(map(key, [*names, *taken]))
        clashing = [number for number, name in enumerate(names) if counts[key(name)] > 1]
        clashing = [number for number in clashing if chosen[number] < len(levels[number]) - 1]
        if not clashing:
            break
        # the last level is a digest, for those that nothing else tells apart
        wider = [number for number in clashing if chosen[number] < len(levels[number]) - 2]
        for number in wider or clashing:
            chosen[number] += 1
    return [level[at] for level, at in zip(levels, chosen, strict=True)]


def key(name: str) -> str:
    """Return what two names have in common that one folder cannot hold on every system."""
    return name.casefold()


def _levels(model: str) -> list[str]:
    path = PurePath(model)
    parts = [part for part in path.parts if part not in ("/", "\\", "..", ".")]
    wider = ["-".join(parts[-depth:]) for depth in range(1, min(len(parts), 5) + 1)]
    digest = hashlib.sha256(os.fsencode(model)).hexdigest()[:12]
    return [made_fit(text, model) for text in (path.stem, *wider)] + [f"{made_fit(path.stem, model)[:100]}-{digest}"]
