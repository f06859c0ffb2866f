"""What the catalog says of a public data set, and what it makes of its official files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from debias.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

Preset = Literal["fair-medl", "parity-proxies"]
PRESETS: tuple[Preset, ...] = ("fair-medl", "parity-proxies")
ALLOW = "--allow-other-counts"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a data set.

    Parameters
    ----------
    source : Path or None
        Official file, or the folder that holds the official files; None: from OpenML.
    preset : str or None
        Table as one of the two papers takes it; None: every column, raw.
    part : str or None
        One of `Source.parts`; None: the first, or what the preset takes.
    unique : bool or None
        Leave out rows that repeat an earlier one; None: as the preset does, else no.
    exact : bool
        Refuse other numbers of rows than the published ones.
    """

    source: Path | None
    preset: Preset | None = None
    part: str | None = None
    unique: bool | None = None
    exact: bool = True

    @property
    def where(self) -> str:
        """What errors name as the place."""
        return "OpenML" if self.source is None else str(self.source)


@dataclass(frozen=True)
class Tidy:
    """A raw table, one row a person.

    Parameters
    ----------
    frame : DataFrame
        Readable columns; text, int64 or float64; missing cells are null.
    notes : tuple of str
        Sentences on what was left out, and on counts that differ from the published ones.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Use:
    """What the columns of a table mean to `debias train` and the other verbs.

    Parameters
    ----------
    label, positive : str
        Column of the label, and the value that a high score predicts; no such value in a regression.
    attributes : tuple of str
        Columns of protected attributes.
    cluster : str or None
        Column of the random effects, where one is natural.
    ignore : tuple of str
        Columns that are no features beside the others (two forms of one fact).
    favorable : str
        ``positive`` or ``negative``: which decision is favourable for a person.
    rows : dict
        Published numbers of rows, each under the name of what has it.
    text : str
        What the table holds, in a sentence or two.
    """

    label: str
    positive: str | None = None
    attributes: tuple[str, ...]
    cluster: str | None = None
    ignore: tuple[str, ...] = ()
    favorable: Literal["positive", "negative"] = "positive"
    rows: Mapping[str, int] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A public data set.

    Parameters
    ----------
    name, title : str
        Short name on the command line, and the full one.
    address : str
        Where the official files are.
    licence : str
        On what terms.
    files : tuple of str
        Names of the official files, or patterns of them.
    use : Use
        The table as it comes.
    presets : dict
        The table as a paper takes it, by `Preset`.
    parts : tuple of str
        What `Request.part` may be; the first is the default. Empty: there are no parts.
    repeats : bool
        Whether `Request.unique` means anything.
    openml : int or None
        Identifier of the data set at OpenML.
    choices : tuple of str
        What neither the official files nor the paper settle, and how it is settled here.
    make : callable
        The work: `Request` to `Tidy`.
    """

    name: str
    title: str
    address: str
    licence: str
    files: tuple[str, ...]
    use: Use
    presets: Mapping[Preset, Use] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    repeats: bool = False
    openml: int | None = None
    choices: tuple[str, ...] = ()
    make: Callable[[Request], Tidy]

    def use_of(self, preset: Preset | None) -> Use:
        """Return what the columns mean under `preset`."""
        return self.use if preset is None else self.presets[preset]


def check_count(found: int, published: Mapping[str, int], where: str, exact: bool) -> tuple[str, ...]:
    """Return a note where a number of rows is not a published one, none where it is.

    Parameters
    ----------
    found : int
        Number of rows.
    published : dict
        Numbers that are right, each under the name of what has it.
    exact : bool
        Refuse another number.

    Raises
    ------
    DataError
        Another number, and `exact`.
    """
    if not published or found in published.values():
        return ()
    known = "; ".join(f"{count:,} ({name})" for name, count in published.items())
    text = f"has {found:,} rows; published: {known}"
    if exact:
        remedy = f"Give the official file, whole and unchanged; {ALLOW} takes it as it is."
        raise DataError(Problem(text, where, remedy))
    return (f"{where} {text}.",)
