"""Public data sets: from their official files to one tidy table, written where a name is given."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from debias.data.catalog import SOURCES, Preset, Request, Source
from debias.data.catalog.official import matches_name
from debias.data.catalog.saving import check_ending, content
from debias.errors import Problem, UsageError
from debias.files import check_output, write_atomic
from debias.words import listing, show

if TYPE_CHECKING:
    import pandas as pd


def data_set(
    name: str,
    source: str | Path | None = None,
    out: str | Path | None = None,
    *,
    preset: Preset | None = None,
    part: str | None = None,
    unique: bool | None = None,
    allow_other_counts: bool = False,
    force: bool = False,
    note: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Return a public data set as one tidy table, ready for `debias train` and `debias contract`.

    Parameters
    ----------
    name : str
        ``adult``, ``bank``, ``compas``, ``acs``, ``law-school``, ``mimic``, ``heritage`` or ``ipums``.
    source : path, optional
        Official file, or the folder that holds the official files. Without it adult, bank and compas come from OpenML.
    out : path, optional
        Where the table goes: .csv, .csv.gz or .parquet by its ending.
    preset : str, optional
        ``fair-medl`` or ``parity-proxies``: the rows and columns of that paper.
    part : str, optional
        Which of the official tables, where there are several.
    unique : bool, optional
        Leave out rows that repeat an earlier one (adult). Default: as the preset does, else keep them.
    allow_other_counts : bool
        Take files whose number of rows is not a published one.
    force : bool
        Replace `out` where it exists.
    note : callable, optional
        Receives what was left out or differs, a sentence at a time.

    Returns
    -------
    DataFrame
        One row a person; text, int64 or float64 columns, missing cells null.

    Raises
    ------
    UsageError
        A data set, preset or part that does not exist.
    DataError
        A file that is missing, broken, another one, or of another length; OpenML out of reach.
    WriteError
        `out` cannot be written. Nothing half written is left behind.
    """
    known = source_of(name)
    request = Request(
        source=None if source is None else Path(source),
        preset=preset,
        part=part,
        unique=unique,
        exact=not allow_other_counts,
    )
    _check(known, request)
    if out is not None:
        target = Path(out)
        check_ending(target)
        check_output(target, inputs=_inputs(known, request.source), force=force)
    tidy = known.make(request)
    if out is not None:
        write_atomic(target, content(tidy.frame, target), force=force)
    if note is not None:
        for text in tidy.notes:
            note(text)
    return tidy.frame


def source_of(name: str) -> Source:
    """Return what the catalog knows of a data set.

    Raises
    ------
    UsageError
        There is no such data set.
    """
    if name in SOURCES:
        return SOURCES[name]
    near = difflib.get_close_matches(name, SOURCES, n=1)
    remedy = f"Did you mean {show(near[0])}?" if near else f"There are {', '.join(SOURCES)}."
    raise UsageError(Problem(f"{show(name)} is no data set of the catalog", "", remedy))


def _check(known: Source, request: Request) -> None:
    problems = []
    if request.preset is not None and request.preset not in known.presets:
        own = (
            f"{known.name} has {listing(known.presets)}." if known.presets else f"{known.name} has none: leave it out."
        )
        problems.append(Problem(f"{known.name} has no table for {show(request.preset)}", "--for", own))
    if request.part is not None and request.part not in known.parts:
        own = f"{known.name} has {', '.join(known.parts)}." if known.parts else "Leave it out."
        problems.append(Problem(f"{known.name} has no part {show(request.part)}", "--part", own))
    if request.unique is not None and not known.repeats:
        found = f"repeated rows of {known.name} are different persons"
        problems.append(Problem(found, "--unique/--repeats", "Leave it out."))
    if request.source is None and known.openml is None:
        remedy = f"Give the file or folder of {', '.join(known.files)}, from {known.address}."
        problems.append(Problem(f"{known.name} needs its official files", "SOURCE", remedy))
    if problems:
        raise UsageError(problems)


def _inputs(known: Source, source: Path | None) -> list[Path]:
    """Return the files that are read, and never overwritten."""
    if source is None:
        return []
    if not source.is_dir():
        return [source]
    return [entry for entry in source.iterdir() if any(matches_name(entry.name, pattern) for pattern in known.files)]
