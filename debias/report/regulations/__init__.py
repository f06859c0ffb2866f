"""Regulatory views: what rules ask of a report, as dated data files with their sources.

A view says which figures of a report bear on a rule, in the rule's own terms. It states figures and what the rule asks
for; whether a rule applies or is met is never said. Each file tells the day of which its state is (`as_of`), where it
was read (`sources`) and what could not be confirmed there (`unsure`).
"""

from __future__ import annotations

import tomllib
from datetime import date
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from debias.errors import Problem
from debias.report.values.numbers import Part
from debias.words import show

Fact = Literal[
    "alternatives",
    "attribute-use",
    "bias",
    "bound",
    "categories",
    "change",
    "confidence",
    "data",
    "hashes",
    "limits",
    "made",
    "missing",
    "performance",
    "repeat",
    "rows",
    "selection-rows",
    "small",
    "unknown",
]
"""What a report can tell of itself; `debias.report.content.regulation_facts` says how."""

Column = Literal[
    "n",
    "share",
    "selected",
    "rate",
    "ratio",
    "flag",
    "privileged_ratio",
    "fisher",
    "z",
    "z_p",
    "mean_score",
    "smd",
]
"""A column of a table of rates; `debias.report.content.regulation` says how."""


def _web(text: str) -> str:
    if not text.startswith("https://") or any(char.isspace() for char in text):
        raise ValueError("is no https address")
    return text


Line = Annotated[str, Field(min_length=3, pattern=r"^\S[^\n]*\S$")]
Web = Annotated[str, AfterValidator(_web)]


class Source(Part):
    """Where a fact was read."""

    title: Line = Field(description="What it is.")
    url: Web = Field(description="Where it stands.")
    dated: date | None = Field(default=None, description="Day of the source itself, where it tells one.")


class Event(Part):
    """What happened to the rule, or will."""

    day: date = Field(description="When.")
    what: Line = Field(description="What.")


class Rates(Part):
    """The tables of rates that the rule speaks of."""

    kinds: Annotated[tuple[Literal["selection", "scoring"], ...], Field(min_length=1)] = Field(
        description="Selection rates, scoring rates."
    )
    columns: Annotated[tuple[Column, ...], Field(min_length=1)] = Field(description="Columns, in order.")
    crossed: bool = Field(description="Attributes crossed have a table too.")
    small: Literal["mark", "leave-out"] = Field(
        default="mark",
        description="Categories below 2% of the rows are marked, or take no part in the highest rate and get no ratio.",
    )
    hide_below: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Categories with fewer rows than this are shown without figures."
    )


class Asked(Part):
    """One thing that the rule asks for."""

    what: Line = Field(description="What.")
    where: Line = Field(description="Section or paragraph of the rule.")
    facts: tuple[Fact, ...] = Field(default=(), description="What the report tells of it; empty: its owner has to.")


class View(Part):
    """A rule, its state on a day, and what of a report bears on it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")] = Field(description="Its name, as in --view.")
    title: Line = Field(description="Name of the rule.")
    kind: Literal["law", "guidance", "standard"] = Field(description="What it is.")
    holds: Line = Field(description="Where it holds, and for whom.")
    as_of: date = Field(description="Day of which `state` is.")
    state: Line = Field(description="In force or not, since or until when.")
    events: tuple[Event, ...] = Field(default=(), description="Days that matter, in order.")
    unsure: tuple[Line, ...] = Field(default=(), description="What the sources did not settle.")
    sources: Annotated[tuple[Source, ...], Field(min_length=1)] = Field(description="Where it was read.")
    rates: Rates | None = Field(default=None, description="The tables of rates that it speaks of.")
    asks: tuple[Asked, ...] = Field(default=(), description="What it asks for.")
    notes: tuple[Line, ...] = Field(default=(), description="What a reader of the figures should know.")

    @model_validator(mode="after")
    def _ordered(self) -> View:
        """Refuse sources from after the day of the state, and a view that shows nothing."""
        late = [source.url for source in self.sources if source.dated is not None and source.dated > self.as_of]
        if late:
            raise ValueError(f"sources dated after as_of: {', '.join(late)}")
        if self.rates is None and not self.asks:
            raise ValueError("neither rates nor asks: nothing to show")
        if [event.day for event in self.events] != sorted(event.day for event in self.events):
            raise ValueError("events are not in order")
        return self


@cache
def ids() -> tuple[str, ...]:
    """Return the names of all views, sorted."""
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in files(__name__).iterdir() if _is_view(entry.name))
    )


@cache
def view(name: str) -> View:
    """Return the view of a name.

    Raises
    ------
    KeyError
        If there is none.
    """
    if name not in ids():
        raise KeyError(name)
    text = (files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
    return View.model_validate(tomllib.loads(text))


def unknown_view(name: str) -> Problem | None:
    """Return the problem of a name that no view has, else None."""
    if name in ids():
        return None
    close = get_close_matches(name, ids(), 1)
    remedy = f"Did you mean {close[0]}? " if close else ""
    return Problem(f"there is no regulatory view {show(name)}", "--view", f"{remedy}Views: {', '.join(ids())}.")


def _is_view(name: str) -> bool:
    return name.endswith(".toml")
