"""The paper's Tables 1, 3 and 4 beside ours, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import table1_paper as paper
from table1_cells import METRICS, MODES, NO_MODE, STANDARD
from table1_figures import Summary, summary

NAMES = {"adult": "Adult: sex", "bank": "Bank: age", "compas": "COMPAS: race", "mimic": "MIMIC-III: insurance"}
ROWS = {"train": "training part at hand", "valid": "validation table alone"}
TARGETS = {
    ("spd", "adult"): (0.79, 0.78),
    ("spd", "bank"): (0.865, 0.855),
    ("spd", "compas"): (0.64, 0.62),
    ("eod", "adult"): (0.82, 0.81),
    ("eod", "bank"): (0.865, 0.855),
    ("eod", "compas"): (0.635, 0.0),
}
"""Median and lower quartile to reach; 0: the lower quartile has to lie above it."""
NO_MIMIC = "credentialed download"
_Cells = Mapping[tuple[str, str, str, str], Summary]


def summaries(lines: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str, str], Summary]:
    """Return the summary of every cell by (metric, variant, mode, data)."""
    found: dict[tuple[str, str, str, str], list[Any]] = {}
    for line in lines:
        found.setdefault((line["metric"], line["name"], line["mode"], line["data"]), []).append(line)
    return {key: summary(part) for key, part in found.items()}


def tables(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return all tables as Markdown."""
    cells = summaries(lines)
    most = {data: max((item.n for key, item in cells.items() if key[3] == data), default=0) for data in paper.DATA}
    parts = [
        _caption(most),
        "### Table 1: constrained objective, median [quartiles]",
        _beside(cells, paper.TABLE_1, _objective, most),
        "### Table 3: balanced accuracy, mean ± SD",
        _beside(cells, paper.TABLE_3, lambda item: _mean_sd(item.balanced_accuracy), most),
        "### Table 4: bias, mean ± SD",
        _beside(cells, paper.TABLE_4, lambda item: _mean_sd(item.bias), most),
        "### Share of feasible seeds, and the ceiling of the test rows' noise",
        "Seeds with |bias| < 0.05 on the test rows, with the exact 95 % interval of that share; after the arrow the "
        "chance that |bias| < 0.05 there if the true bias were 0, from the groups' sizes and rates at the operating "
        "point. **Bold** where the share lies below that ceiling by more than binomial error.",
        _ours_alone(cells, _feasible, most),
        "### Targets",
        "Median and lower quartile beside the target; ✓ reached, (✓) the lower quartile is what the ceiling allows, "
        "✗ missed. A cell with a constant classifier (†) counts as missed.",
        _targets(cells),
        "### CPU seconds, median",
        _ours_alone(cells, lambda item: f"{item.seconds:.1f}", most),
    ]
    return "\n\n".join(parts)


def _caption(most: Mapping[str, int]) -> str:
    seeds = ", ".join(f"{NAMES[data]} {n}" for data, n in most.items() if n)
    text = (
        f"Seeds: {seeds or 'none yet'}; where a cell has fewer, their number stands behind it. † a constant classifier "
        "in one seed or more: the cell does not count. The paper's figures are as printed; its COMPAS label is the "
        "opposite of ours, and so is the sign of its bias."
    )
    if not most.get("mimic"):
        text += (
            " MIMIC-III needs a credentialed download (PhysioNet); with the preprocessed table its column is "
            "measured by `--data mimic --mimic PATH`."
        )
    return text


def _beside(
    cells: _Cells,
    printed: Mapping[tuple[str, str], Sequence[str]],
    show: Callable[[Summary], str],
    most: Mapping[str, int],
) -> str:
    """Return a table of the paper's rows, each with ours below it, and then our other methods."""
    rows = []
    for metric in METRICS:
        for name, ours in paper.OURS.items():
            rows.append([metric.upper(), name, "paper", *printed[metric, name]])
            rows += _rows_of(cells, metric, ours, show, most)
        for name in _variants(cells, metric):
            if name not in paper.OURS.values():
                rows += _rows_of(cells, metric, name, show, most)
    return _markdown(["", "method", "rows", *NAMES.values()], rows)


def _ours_alone(cells: _Cells, show: Callable[[Summary], str], most: Mapping[str, int]) -> str:
    """Return a table of our rows alone, without the data sets that were not measured."""
    here = [place for place, data in enumerate(paper.DATA) if most[data]]
    rows = [
        [*row[:3], *(row[3 + place] for place in here)]
        for metric in METRICS
        for name in _variants(cells, metric)
        for row in _rows_of(cells, metric, name, show, most)
    ]
    return _markdown(["", "method", "rows", *(NAMES[paper.DATA[place]] for place in here)], rows)


def _variants(cells: _Cells, metric: str) -> list[str]:
    names = dict.fromkeys(name for at, name, _, _ in cells if at == metric)
    return sorted(names, key=lambda name: name != STANDARD)


def _rows_of(
    cells: _Cells, metric: str, name: str, show: Callable[[Summary], str], most: Mapping[str, int]
) -> Iterator[list[str]]:
    for mode in (NO_MODE, *MODES):
        found = [cells.get((metric, name, mode, data)) for data in paper.DATA]
        if any(found):
            shown = [_cell(item, show, most[data], data) for item, data in zip(found, paper.DATA, strict=True)]
            yield [metric.upper(), name, ROWS.get(mode, "ours"), *shown]


def _cell(item: Summary | None, show: Callable[[Summary], str], most: int, data: str) -> str:
    if item is None:
        return NO_MIMIC if data == "mimic" and not most else ""
    return show(item) + ("†" if item.constant else "") + (f" (n = {item.n})" if item.n != most else "")


def _objective(item: Summary) -> str:
    median, lower, upper = item.objective
    return f"{median:.3f} [{lower:.3f}, {upper:.3f}]"


def _mean_sd(value: tuple[float, float]) -> str:
    return f"{value[0]:.3f} ± {value[1]:.3f}"


def _feasible(item: Summary) -> str:
    low, high = item.interval
    text = f"{item.share:.2f} [{low:.2f}, {high:.2f}] → {item.ceiling:.2f}"
    return text if item.within_noise else f"**{text}**"


def _targets(cells: _Cells) -> str:
    rows = [["target", "", *(f"{median}, {lower or '> 0'}" for median, lower in TARGETS.values()), str(len(TARGETS))]]
    names = dict.fromkeys((name, mode) for _, name, mode, _ in cells if name != STANDARD)
    for name, mode in sorted(names, key=lambda row: [NO_MODE, *MODES].index(row[1])):
        found = [cells.get((metric, name, mode, data)) for metric, data in TARGETS]
        marks = [mark(item, *target) for item, target in zip(found, TARGETS.values(), strict=True)]
        shown = [
            f"{item.objective[0]:.3f}, {item.objective[1]:.3f} {sign}" if item else ""
            for item, sign in zip(found, marks, strict=True)
        ]
        shown = [text + ("†" if item and item.constant else "") for item, text in zip(found, shown, strict=True)]
        rows.append([name, ROWS.get(mode, ""), *shown, str(sum("✓" in sign for sign in marks))])
    heads = [f"{metric.upper()} {NAMES[data]}" for metric, data in TARGETS]
    return _markdown(["method", "rows", *heads, "reached"], rows)


def mark(item: Summary | None, median: float, lower: float) -> str:
    """Return ✓ where a cell reaches its target, (✓) where its lower quartile is what the noise allows, else ✗."""
    if item is None or item.constant or item.objective[0] < median:
        return "✗"
    if item.objective[1] >= lower and item.objective[1] > 0:
        return "✓"
    return "(✓)" if item.within_noise else "✗"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]
    )
