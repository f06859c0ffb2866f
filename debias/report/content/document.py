"""The shape of a human report: sections with sentences, tables and lists, which each writer lays out its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "bad", "open", "plain"]

TONES: dict[str, Tone] = {
    "PASS": "good",
    "FAIL": "bad",
    "INCONCLUSIVE": "open",
    "USABLE": "good",
    "REFUSED": "bad",
    "TRAINED": "good",
    "ADAPTED": "good",
    "DIVERGED": "open",
    "WORSE": "bad",
    "NOT WORSE": "good",
    "SAME": "good",
    "NOT COMPARED": "open",
    "AGREES": "good",
    "DIFFERS": "bad",
    "INCOMPLETE": "bad",
    "INTERRUPTED": "open",
}
"""How a headline sounds; others are plain."""


@dataclass(frozen=True)
class Table:
    """Cells as text; `align` has l for a column of words, r for one of numbers.

    In a `grouped` table rows with the same first cell belong together. A table with `choices` may be long: a writer
    that can lets a reader sort its rows and choose them by the words of these columns.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str
    grouped: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading with sentences, then a table, then a list; each may be missing.

    An `extra` section is left out in a terminal unless it is asked for; a `short` one stands for an extra one there,
    and is left out where that one is shown. The `key` is its name for writers that place it or set pictures beside it;
    several sections may share one.
    """

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None
    items: tuple[str, ...] = ()
    code: str | None = None
    extra: bool = False
    key: str = ""
    short: bool = False


@dataclass(frozen=True)
class Document:
    """A whole human report: the verdict first."""

    title: str
    headline: str
    statement: str
    warnings: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()

    @property
    def tone(self) -> Tone:
        """How the headline sounds, for writers that show it by colour or shape."""
        return TONES.get(self.headline, "plain")
