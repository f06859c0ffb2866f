"""What a human report says of the steps tried, the layers, other thresholds and attributes crossed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from debias.fairness.impact import SMALL_SHARE
from debias.report.content.document import Section, Table
from debias.report.content.networks import after_name, before_name
from debias.report.content.thinning import evenly, spread
from debias.report.text import amount, count, ranges, rate, signed, signed_amount
from debias.report.values.evidence import CrossedGroup, Crossing, LayerChange, Sweep, SweepPoint
from debias.report.values.figures import GroupFigures
from debias.report.values.report import Report

STEPS = 12
"""Steps of a trajectory that a reader is shown; JSON has all."""
THRESHOLDS = 11
"""Thresholds of a network that a reader is shown; JSON has up to 201."""
CELLS = 60
"""Crossed groups that a reader is shown; JSON has all."""
FEW = 30
"""Rows below which a rate is rough."""


def trajectory_sections(report: Report) -> Iterator[Section]:
    """Yield the steps round the chosen one, with bias and performance on the rows that chose."""
    steps, change = report.trajectory, report.change
    if change is None or len(steps) < 2:
        return
    regression = report.task == "regression"
    chosen = next((place for place, step in enumerate(steps) if step.step == change.chosen_step), -1)
    shown = spread(len(steps), STEPS, range(chosen - 2, chosen + 3))
    sentences = [
        f"On the {count(report.rows.selection)} selection rows; step 0 is the unchanged network, * was chosen.",
        "R² and bias of the network at each step."
        if regression
        else "Balanced accuracy and bias are those at the step's own cut of best balanced accuracy; the objective is "
        "that of its best cut within the bound.",
    ]
    if len(shown) < len(steps):
        sentences.append(f"{count(len(shown))} of {count(len(steps))} steps; the JSON report has all.")
    show = signed_amount if regression else signed
    rows = tuple(
        (
            f"{steps[place].step}{'*' if place == chosen else ''}",
            rate(steps[place].r2 if regression else steps[place].balanced_accuracy),
            show(steps[place].bias),
            rate(steps[place].objective),
        )
        for place in shown
    )
    columns = ("step", "R²" if regression else "bal.acc", "bias", "objective")
    yield Section("Steps", tuple(sentences), Table(columns, rows, "lrrr"), extra=True, key="trajectory")


def layer_sections(report: Report) -> Iterator[Section]:
    """Yield what became of the weights of each layer."""
    if not report.layers:
        return
    changed, whole = (sum(getattr(layer, name) for layer in report.layers) for name in ("changed", "weights"))
    others = "is another" if changed == 1 else "are others"
    sentences = [f"{count(changed)} of the {count(whole)} numbers in these layers {others} in the repaired network."]
    if not changed:
        sentences = ["No number in these layers was changed."]
    pruned = any(layer.pruned for layer in report.layers)
    if pruned:
        sentences.append("A unit is taken out by the weights that read it, which stand in the layers that it feeds.")
    if report.change is not None and report.change.rule is not None and changed:
        sentences.append("The last bias moves with the cuts of the groups, which the file holds relative to it.")
    sentences.append("move: Euclidean norm of the change divided by that of the layer before; most: of one number.")
    rows = tuple(_layer(layer, pruned) for layer in report.layers)
    columns = ("layer", "units", "inputs", *(("pruned",) if pruned else ()), "numbers", "changed", "move", "most")
    table = Table(columns, rows, "l" + "r" * (len(columns) - 1))
    items = tuple(f"{layer.layer}: units {ranges(layer.pruned)} pruned" for layer in report.layers if layer.pruned)
    yield Section("Layers", tuple(sentences), table, items, extra=True, key="layers")


def _layer(layer: LayerChange, pruned: bool) -> tuple[str, ...]:
    return (
        f"{layer.layer} (output)" if layer.output else layer.layer,
        count(layer.units),
        count(layer.inputs) if layer.kind == "dense" else "–",
        *((count(len(layer.pruned)),) if pruned else ()),
        count(layer.weights),
        count(layer.changed),
        amount(layer.relative),
        amount(layer.largest),
    )


def sweep_sections(report: Report) -> Iterator[Section]:
    """Yield what other thresholds would do."""
    if not report.sweeps:
        return
    sentences = [
        "What the verdict rows tell of other thresholds took no part in any choice: a threshold picked here would be "
        "judged by the rows that chose it. * decides as the threshold in use.",
    ]
    if report.change is not None and report.change.rule is not None:
        sentences.append("The repaired network has no common threshold: each group has its own cut.")
    several = len(report.sweeps) > 1
    called = {"before": before_name(report), "after": after_name(report)}
    sweeps = [(called.get(sweep.network, sweep.network), sweep) for sweep in report.sweeps]
    rows = tuple(row for name, sweep in sweeps for row in _thresholds(name if several else None, sweep))
    names = [attribute.name for attribute in report.attributes]
    biases = ("bias",) if len(names) == 1 else tuple(f"bias {name}" for name in names)
    columns = (*(("network",) if several else ()), "threshold", "bal.acc", "rate", *biases)
    align = ("l" if several else "") + "l" + "r" * (len(columns) - several - 1)
    items = tuple(item for name, sweep in sweeps for item in _within(name, sweep, report.eps))
    yield Section(
        "Other thresholds", tuple(sentences), Table(columns, rows, align, several), items, extra=True, key="sweep"
    )


def _thresholds(name: str | None, sweep: Sweep) -> Iterator[tuple[str, ...]]:
    points = sweep.points
    used = max((place for place, point in enumerate(points) if point.threshold <= sweep.deployed), default=-1)
    for place in evenly([point.threshold for point in points], THRESHOLDS, [used] if used >= 0 else []):
        point = points[place]
        yield (
            *(() if name is None else (name,)),
            f"{amount(point.threshold)}{'*' if place == used else ''}",
            rate(point.balanced_accuracy),
            rate(point.selection_rate),
            *map(signed, point.biases),
        )


def _within(name: str, sweep: Sweep, eps: float | None) -> Iterator[str]:
    """Yield where the bound holds among the points."""
    if eps is None:
        return
    held = [point for point in sweep.points if _meets(point, eps)]
    best = max(held, key=lambda point: point.balanced_accuracy or 0.0, default=None)
    if best is None:
        yield f"{name}: no threshold keeps every |bias| below {eps:g}"
        return
    yield (
        f"{name}: every |bias| is below {eps:g} at {count(len(held))} of {count(len(sweep.points))} "
        f"thresholds; the best balanced accuracy among them is {rate(best.balanced_accuracy)}, at "
        f"{amount(best.threshold)}"
    )


def _meets(point: SweepPoint, eps: float) -> bool:
    return all(bias is not None and abs(bias) < eps for bias in point.biases)


def crossing_sections(report: Report) -> Iterator[Section]:
    """Yield the groups of several attributes crossed."""
    for crossing in report.crossings:
        yield _crossing(report, crossing)


def _crossing(report: Report, crossing: Crossing) -> Section:
    regression = report.task == "regression"
    stages = [(before_name(report), "before")]
    if any(cell.after for cell in crossing.cells):
        stages.append((after_name(report), "after"))
    # The largest bear most on people; the lowest and the highest rate are told in any case.
    largest = sorted(range(len(crossing.cells)), key=lambda place: -crossing.cells[place].before.n)[:CELLS]
    cells = [crossing.cells[place] for place in sorted(largest)]
    whole = "*".join(crossing.attributes)
    bound = "" if any(item.name == whole for item in report.attributes) else "; no bound was asked of them"
    sentences = [f"Rows of each group of {' and '.join(crossing.attributes)} together{bound}."]
    if crossing.unknown:
        sentences.append(f"{count(crossing.unknown)} rows lack one of the attributes and are not shown.")
    if len(cells) < len(crossing.cells):
        sentences.append(
            f"The {count(len(cells))} largest of {count(len(crossing.cells))} crossed groups; the JSON report has all."
        )
    few = sum(cell.before.n < FEW for cell in crossing.cells)
    if few:
        sentences.append(f"{count(few)} of the {count(len(crossing.cells))} have fewer than {FEW} rows.")
    if any(abs(cell.before.weight - cell.before.n) > 1e-9 for cell in crossing.cells):
        sentences.append("n counts rows; the other figures are weighted.")
    rows = tuple(row for cell in cells for row in _cell(cell, stages, regression))
    figures = ("mean y", "mean ŷ", "MSE", "MAE") if regression else ("selected", "rate", "TPR", "FPR", "bal.acc")
    several = len(stages) > 1
    columns = (" × ".join(crossing.attributes), *(("network",) if several else ()), "n", *figures)
    table = Table(columns, rows, ("ll" if several else "l") + "r" * (len(columns) - 1 - several), grouped=several)
    items = () if regression else tuple(_ends(crossing.cells, stages))
    title = f"Crossed: {' × '.join(crossing.attributes)}"
    return Section(title, tuple(sentences), table, items, extra=True, key="crossings")


def _cell(cell: CrossedGroup, stages: Sequence[tuple[str, str]], regression: bool) -> Iterator[tuple[str, ...]]:
    for name, side in stages:
        one: GroupFigures | None = getattr(cell, side)
        if one is not None:
            named = (name,) if len(stages) > 1 else ()
            yield " × ".join(cell.groups), *named, count(one.n), *_figures(one, regression)


def _figures(one: GroupFigures, regression: bool) -> Iterator[str]:
    if regression:
        return map(amount, (one.mean_target, one.mean_prediction, one.mse, one.mae))
    rates = (one.selection_rate, one.tpr, one.fpr, one.balanced_accuracy)
    return iter((count(one.selected or 0), *map(rate, rates)))


def _ends(cells: Iterable[CrossedGroup], stages: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the lowest and the highest selection rate of each network."""
    for name, side in stages:
        found = [
            (one.selection_rate, " × ".join(cell.groups), one.n)
            for cell in cells
            if (one := getattr(cell, side)) is not None and one.selection_rate is not None
        ]
        if len(found) > 1:
            low, high = (pick(found, key=lambda each: each[0]) for pick in (min, max))
            yield (
                f"{name}: selection rates from {rate(low[0])} ({low[1]}, {count(low[2])} rows) to {rate(high[0])} "
                f"({high[1]}, {count(high[2])} rows)"
            )


def small_groups(report: Report) -> list[tuple[str, GroupFigures]]:
    """Return the groups of few verdict rows, each with its attribute: below `FEW`, or `SMALL_SHARE` of them."""
    return [
        (parity.attribute, group)
        for parity in report.before.parities
        for group in parity.groups
        if group.n < FEW or group.n < SMALL_SHARE * report.before.n
    ]


def small_sections(report: Report) -> Iterator[Section]:
    """Yield the groups of few rows."""
    found = small_groups(report)
    if not found:
        return
    whole = report.before.n
    names = [f"{attribute}, {group.name}" if len(report.attributes) > 1 else group.name for attribute, group in found]
    items = tuple(
        f"{name}: {count(group.n)} rows, {100 * group.n / max(whole, 1):.2g}%"
        for name, (_, group) in zip(names, found, strict=True)
    )
    few = f"Fewer than {FEW} rows, or than {100 * SMALL_SHARE:g}% of the {count(whole)} verdict rows"
    yield Section("Small groups", (f"{few}: their rates are rough.",), items=items, key="rows")
