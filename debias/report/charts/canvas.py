"""A matplotlib figure measured in CSS pixels, whose marks know what they stand for."""

from __future__ import annotations

import gc
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from debias.report.charts.chart import Chart
from debias.report.charts.colours import stand_in
from debias.report.charts.svg import Mark, for_page
from debias.report.charts.widths import width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT, SMALL, TINY = 12.0, 12.0, 11.0
"""Heights of letters in pixels."""
AXIS = 40
"""Pixels for the ticks and the name of the horizontal axis."""
_LINE = 18
_PER_INCH = 72.0  # points, which the SVG calls pixels


@contextmanager
def drawing() -> Iterator[None]:
    """Set matplotlib up for charts, whatever the user's own settings are, and put these back."""
    from matplotlib import style

    with style.context(["default", _settings()]), warnings.catch_warnings(), _collected_later():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


@contextmanager
def _collected_later() -> Iterator[None]:
    """Leave garbage until all is drawn: beside PyTorch each collection goes through very many objects."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _settings() -> dict[str, Any]:
    ink, muted, grid = map(stand_in, ("ink", "muted", "grid"))
    return {
        "text.parse_math": False,  # a name may hold $ or _
        "text.usetex": False,
        "axes.formatter.use_mathtext": False,
        "svg.hashsalt": "debias",
        "svg.fonttype": "none",  # words stay words: to be found, read aloud and copied
        "path.simplify": False,
        "font.size": TEXT,
        "text.color": ink,
        "axes.labelcolor": muted,
        "axes.labelsize": TINY,
        "axes.edgecolor": grid,
        "axes.linewidth": 1.0,
        "axes.axisbelow": True,
        "axes.grid": False,
        "grid.color": grid,
        "grid.linewidth": 1.0,
        "xtick.color": grid,
        "ytick.color": grid,
        "xtick.labelcolor": muted,
        "ytick.labelcolor": muted,
        "xtick.labelsize": TINY,
        "ytick.labelsize": TINY,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "hatch.linewidth": 1.0,
        "legend.frameon": False,
        "legend.fontsize": TINY,
        "legend.handlelength": 1.6,
        "legend.handletextpad": 0.4,
        "legend.columnspacing": 1.4,
        "legend.borderpad": 0.0,
        "legend.borderaxespad": 0.0,
    }


def above(handles: Sequence[Any], width: int) -> int:
    """Return the pixels that a legend of these takes above a plot."""
    return 8 + _LINE * -(-len(handles) // _across(handles, width)) if handles else 6


def _across(handles: Sequence[Any], width: int) -> int:
    """Return how many names stand on a line: columns are of one width unless all fit on one line."""
    taken = [40 + width_of(str(one.get_label()), TINY) for one in handles]
    if sum(taken) <= width:
        return len(handles)
    return max(1, int((width - 12) // max(taken)))


class Canvas:
    """A figure; lengths in pixels from its upper left corner. Use it within `drawing`."""

    def __init__(self, id: str, width: int, height: int) -> None:
        from matplotlib.figure import Figure

        self.id, self.width, self.height = id, width, height
        self.figure = Figure(figsize=(width / _PER_INCH, height / _PER_INCH), dpi=_PER_INCH)
        self.figure.patch.set_visible(False)
        self._marks: dict[str, list[Mark]] = {}

    def panel(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """Return axes with these margins to the edges of the figure."""
        rectangle = (
            left / self.width,
            bottom / self.height,
            (self.width - left - right) / self.width,
            (self.height - top - bottom) / self.height,
        )
        axes: Axes = self.figure.add_axes(rectangle)
        axes.patch.set_visible(False)
        return axes

    def points(self, axes: Axes, marks: Sequence[Mark], **look: Any) -> None:
        """Draw a symbol at each mark; `look` is what matplotlib's ``plot`` takes."""
        if marks:
            gid = self._named(marks)
            xs, ys = [mark.x for mark in marks], [mark.y for mark in marks]
            axes.plot(xs, ys, linestyle="none", gid=gid, clip_on=False, **look)

    def shape(self, patch: Any, mark: Mark) -> None:
        """Let a patch (a bar, a cell) stand for a mark."""
        patch.set_gid(self._named([mark]))

    def _named(self, marks: Sequence[Mark]) -> str:
        gid = f"marks-{len(self._marks) + 1}"
        self._marks[gid] = list(marks)
        return gid

    def legend(self, handles: Sequence[Any]) -> None:
        """Name symbols on lines at the upper edge."""
        if handles:
            place = (4 / self.width, 1 - 3 / self.height)
            across = _across(handles, self.width)
            self.figure.legend(handles=list(handles), loc="upper left", bbox_to_anchor=place, ncols=across)

    def text(self, left: float, top: float, words: str, **look: Any) -> None:
        """Write words on the figure, their middle height at `top`."""
        look = {"va": "center", "ha": "left", "fontsize": SMALL, **look}
        self.figure.text(left / self.width, 1 - top / self.height, words, **look)

    def chart(self, key: str, title: str, caption: str, alt: str) -> Chart:
        """Return the chart as it is now."""
        stream = io.BytesIO()
        self.figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        svg = for_page(stream.getvalue(), self.id, title, alt, self._marks, (self.width, self.height))
        return Chart(self.id, key, title, caption, alt, svg, self.width, self.height)
