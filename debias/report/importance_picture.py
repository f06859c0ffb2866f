"""Feature importances as a picture: horizontal bars, one panel a model, probes set apart (as in Fair MEDL Fig. 3)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.errors import Problem
from debias.report.content.importance import place
from debias.report.text import shortened
from debias.report.values.importance import ColumnImportance, FeatureImportance, ModelImportance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png")
LONGEST = 36
"""Columns of text that a name takes at most."""

PLAIN, PROBE, PROTECTED = ("#9ecae1", ""), ("#d55e00", "////"), ("#009e73", "\\\\\\\\")
"""Fill and hatch: the fills differ for every common kind of colour blindness, the hatches in print."""
_BAR, _PANEL, _LEGEND = 0.24, 4.8, 0.45  # inches

_STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a name may hold $ or _
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "svg.hashsalt": "debias",
    "svg.fonttype": "none",  # words stay words: to be found, read aloud and copied
    "font.size": 9.0,
    "hatch.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def unknown_picture(path: Path) -> Problem | None:
    """Return the problem of a picture whose ending names no format, else None."""
    if path.suffix.lower() in FORMATS:
        return None
    found = (
        f"ends in {path.suffix}, which is no picture format" if path.suffix else "has no ending that tells the format"
    )
    return Problem(found, f"--picture {path}", f"Use one of: {', '.join(FORMATS)}.")


def picture(models: Sequence[ModelImportance], format: str, *, top: int, by: str = "column") -> bytes:
    """Return the picture of importances, the same bytes for the same ones.

    Parameters
    ----------
    models : sequence of ModelImportance
        A panel for each.
    format : {"svg", "png"}
    top : int
        Bars of a panel; the best probe is one more where it is none of them.
    by : {"column", "feature"}
        Bars of columns, or of the table's columns with theirs added up.

    Returns
    -------
    bytes
        SVG with the words as text, or PNG at 200 dots an inch.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    bars = [chosen(model, top, by) for model in models]
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        high = 1.2 + _LEGEND + _BAR * max(map(len, bars))
        figure = Figure(figsize=(_PANEL * len(bars), high), layout="constrained")
        panels: Sequence[Axes] = figure.subplots(1, len(bars), squeeze=False)[0]
        for axes, model, items in zip(panels, models, bars, strict=True):
            _panel(axes, _head(model), items)
            axes.set_ylim(max(map(len, bars)) - 0.4, -0.6)  # bars of one height in all panels
        _legend(figure, [item for items in bars for item in items])
        stream = io.BytesIO()
        metadata = {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
        figure.savefig(stream, format=format, dpi=200, metadata=metadata)
    return stream.getvalue()


_Item = ColumnImportance | FeatureImportance


def chosen(model: ModelImportance, top: int, by: str = "column") -> list[_Item]:
    """Return the first `top` columns or features, and the best probe where it is none of them."""
    items: list[_Item] = [*(model.columns if by == "column" else model.features)]
    first = items[:top]
    if not any(item.probe for item in first):
        first += [item for item in items[top:] if item.probe][:1]
    return first


def _head(model: ModelImportance) -> str:
    head = shortened(model.title, LONGEST)
    if model.best_probe_rank is None:
        return head
    several = "" if len(model.runs) == 1 else " (median over seeds)"
    return f"{head}\nbest probe: rank {place(model.best_probe_rank)}{several}"


def _look(item: _Item) -> tuple[str, str]:
    return PROBE if item.probe else PROTECTED if item.protected else PLAIN


def _panel(axes: Axes, title: str, items: list[_Item]) -> None:
    heights = list(range(len(items)))
    for height, item in zip(heights, items, strict=True):
        fill, hatch = _look(item)
        axes.barh(height, 100 * item.share, color=fill, hatch=hatch, edgecolor="#333333", linewidth=0.5)
    axes.set_yticks(heights, [f"{place(item.rank)}. {shortened(item.name, LONGEST)}" for item in items])
    axes.set_xlim(left=0)
    axes.set_xlabel("share of importances, %")
    axes.set_title(title, fontsize=10, loc="right")  # there is room on the left, above the names


def _legend(figure: Any, items: list[_Item]) -> None:
    from matplotlib.patches import Patch

    named = [(PLAIN, "input"), (PROTECTED, "protected attribute"), (PROBE, "confounding probe")]
    looks = {_look(item) for item in items}
    handles = [
        Patch(facecolor=fill, hatch=hatch, edgecolor="#333333", linewidth=0.5, label=label)
        for (fill, hatch), label in named
        if (fill, hatch) in looks
    ]
    if len(handles) > 1:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
