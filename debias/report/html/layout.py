"""What stands where on the page: sections in the order of a reader's questions, each with its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from debias.report.content.document import Document, Section
from debias.report.text import visible

if TYPE_CHECKING:
    from debias.report.charts import Chart

CHAPTERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("models", "Models", ("outcomes", "models", "problems")),
    ("groups", "Figures, group by group", ("bias", "figures", "groups", "dispersion")),
    ("path", "How it got there", ("trajectory",)),
    ("methods", "Methods compared", ("methods", "front")),
    ("change", "What was changed", ("change", "layers")),
    ("thresholds", "Other thresholds", ("sweep",)),
    ("crossed", "Groups crossed", ("crossings",)),
    ("clusters", "Clusters", ("clusters", "adversary")),
    ("impact", "Impact ratios", ("impact",)),
    ("data", "Data", ("rows",)),
    ("provenance", "Provenance", ("files", "repeat")),
    ("limits", "Limits", ("limits", "notes")),
)
"""Id, title and the keys of its sections, in the order of the page."""

_PLACES = {key: (chapter, place) for chapter, (_, _, keys) in enumerate(CHAPTERS) for place, key in enumerate(keys)}
_FIRST = (-1, 0)
_EACH = {"groups", "crossings"}
"""Keys whose sections are one for each attribute, or pair of them, as their charts are."""


@dataclass(frozen=True)
class Block:
    """A section of the document with the pictures set into it."""

    id: str
    section: Section
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class Chapter:
    """Sections under one heading."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def chapters(told: Document, charts: Sequence[Chart]) -> tuple[Chapter, ...]:
    """Return the whole page below the verdict.

    Parameters
    ----------
    told : Document
        Its sections are placed by their key; one without a known key stays behind the section before it.
    charts : sequence of Chart
        Each stands in a section of its key, else in one of its own.

    Returns
    -------
    tuple of Chapter
        Every section and every chart, each once.
    """
    homes = [_home(chart, charts, told.sections) for chart in charts]
    placed: list[tuple[tuple[int, int], Section, tuple[Chart, ...]]] = []
    place = _FIRST
    for number, section in enumerate(told.sections):
        place = _PLACES.get(section.key, place)
        own = tuple(chart for chart, home in zip(charts, homes, strict=True) if home == number)
        placed.append((place, section, own))
    for chart, home in zip(charts, homes, strict=True):
        if home is None:
            section = Section(chart.title, key=chart.key)
            placed.append((_PLACES.get(chart.key, _FIRST), section, (chart,)))
    placed.sort(key=lambda one: one[0])
    blocks = [(at, Block(f"section-{number}", section, own)) for number, (at, section, own) in enumerate(placed, 1)]
    return tuple(_chapters(blocks))


def _home(chart: Chart, charts: Sequence[Chart], sections: Sequence[Section]) -> int | None:
    """Return the number of the section of a chart: of those with its key the one that is of the same, else the first.

    "Rate by group of sex" is for "Groups of sex"; where titles do not tell, charts that are as many for each section
    follow the order of the sections.
    """
    same = [number for number, section in enumerate(sections) if chart.key and section.key == chart.key]
    tails = {number: sections[number].title.partition(" of ")[2] for number in same}
    fitting = [number for number in same if tails[number] and chart.title.endswith(f" of {tails[number]}")]
    if fitting:
        return max(fitting, key=lambda number: len(tails[number]))
    cut = [number for number in same if tails[number] and _cut_from(chart.title.partition(" of ")[2], tails[number])]
    if len(cut) == 1:
        return cut[0]
    if chart.key in _EACH and same:
        alike = [one for one in charts if one.key == chart.key]
        if len(alike) % len(same) == 0:
            return same[alike.index(chart) * len(same) // len(alike)]
    return next(iter(same), None)


def _cut_from(shown: str, name: str) -> bool:
    """Whether a title shows `name` cut in the middle, as `shortened` does."""
    front, dots, back = shown.partition("…")
    whole = visible(name).strip()
    return bool(dots) and len(front + back) < len(whole) and whole.startswith(front) and whole.endswith(back)


def _chapters(blocks: Sequence[tuple[tuple[int, int], Block]]) -> Iterator[Chapter]:
    for _, block in (one for one in blocks if one[0] == _FIRST):
        yield Chapter(block.id, block.section.title, (block,))
    for number, (name, title, _) in enumerate(CHAPTERS):
        own = tuple(block for (chapter, _), block in blocks if chapter == number)
        if own:
            yield Chapter(name, title, own)
