"""A chart of a report, ready to be set into a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chart:
    """An SVG whose colours are CSS variables (see `colours`), with what a page says beside it.

    Attributes
    ----------
    id : str
        Of the SVG's root; begins every other id in it. Unique among the charts of one value, and the same each time.
    key : str
        The `Section.key` that it belongs to. A page that has no such section sets the chart under its own title.
    title : str
        What is drawn, in a few words. Holds names of others: to be escaped.
    caption : str
        How to read it, in sentences. To be escaped.
    alt : str
        What it says, for those who cannot see it; the SVG's ``<desc>`` says the same. To be escaped.
    svg : str
        The element, with `width` and `height` in pixels as attributes and a viewBox. It holds no ``style`` (a content
        security policy may forbid it), no script and nothing from elsewhere. Marks carry ``class="mark"``,
        ``data-figure`` (the field of the report), ``data-series``, ``data-x``, ``data-y`` (numbers as in the JSON
        report), ``data-tip`` (what a tooltip says) and a ``<title>`` with the same.
    width, height : int
        Pixels at which letters have the size of the page's small text.
    """

    id: str
    key: str
    title: str
    caption: str
    alt: str
    svg: str
    width: int
    height: int

    @property
    def wide(self) -> bool:
        """Takes a row of its own; two others stand side by side where the page has room."""
        return self.width > HALF


HALF, FULL = 380, 760
"""Widths of charts in pixels."""
