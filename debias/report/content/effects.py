"""What a human report says of the dispersion over groups, and of clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from debias.report.content.document import Section, Table
from debias.report.text import amount, count, rate, signed, signed_amount
from debias.report.values.effects import ClusterFigures, DrawnFigure, Draws, Effects, HeadFigures
from debias.report.values.figures import Dispersion, Figures, IntervalFigures
from debias.report.values.report import Report
from debias.words import show

SHORT = 20
"""So many clusters a terminal lists unasked."""
LARGE_GAP = 0.25
"""A share of the bias that random effects make above which they are worth editing."""
FIGURES = {
    "balanced_accuracy": "bal.acc",
    "mse": "MSE",
    "bias": "bias",
    "tpr_sd": "TPR SD",
    "fpr_sd": "FPR SD",
    "mse_sd": "MSE SD",
    "demographic_parity": "DP",
    "demographic_parity_soft": "DP soft",
    "attribute_swap": "swap",
}
_CLASSES = ("tpr_sd", "fpr_sd", "demographic_parity", "demographic_parity_soft", "attribute_swap")
_NUMBERS = ("mse_sd", "demographic_parity", "attribute_swap")
UNSEEN = {
    "soft": "with the predicted probabilities of the known ones",
    "hard": "as the likeliest known one",
    "zero": "by the fixed effects alone",
}


def dispersion_sections(report: Report, stages: list[tuple[str, Figures]]) -> Iterator[Section]:
    """Yield the table of dispersion figures, by attribute and network."""
    told = [(name, figures.dispersion) for name, figures in stages if figures.dispersion]
    if not told:
        return
    first = told[0][1]
    regression = all(one.tpr_sd is None and one.mse_sd is not None for one in first)
    names = _NUMBERS if regression else _CLASSES
    several = len(told) > 1
    rows = tuple(
        (
            entries[index].attribute,
            *([stage] if several else []),
            *((amount if regression else rate)(getattr(entries[index], name)) for name in names),
        )
        for index in range(len(first))
        for stage, entries in told
    )
    columns = ("attribute", *(["network"] if several else []), *(FIGURES[name] for name in names))
    align = ("ll" if several else "l") + "r" * len(names)
    yield Section(
        "Dispersion over groups",
        tuple(_meaning(regression, first[0].ddof)),
        Table(columns, rows, align, grouped=several),
        items=tuple(item for one in told[-1][1] for item in _undefined(one)),
        extra=report.effects is None,
        key="dispersion",
    )


def _meaning(regression: bool, ddof: int) -> Iterator[str]:
    divisor = " (divided by one less than their number)" if ddof else ""
    what = "mean squared error" if regression else "true and false positive rate"
    yield f"Groups count alike. SD: standard deviation of the {what} over groups{divisor}."
    of = "mean predictions (Fair MEDL eq. 4)" if regression else "selection rates (Fair MEDL eq. 3)"
    soft = "" if regression else "; soft: of mean probabilities, which no threshold has a part in"
    yield f"DP: mean absolute pairwise difference of {of}{soft}."
    yield (
        "swap: mean absolute change of the prediction when only the attribute's inputs are set to another group "
        f"(Fair MEDL eq. {7 if regression else 6}, CF there); columns that go with the attribute stay as they are."
    )


def _undefined(one: Dispersion) -> Iterator[str]:
    if one.attribute_swap is None and one.attribute_swap_reason is not None:
        reason = one.attribute_swap_reason.removeprefix(f"{show(one.attribute)}: ")
        yield f"{one.attribute}: swap is undefined: {reason}"
    for figure, groups in one.undefined_groups.items():
        yield f"{one.attribute}: {FIGURES[figure]} without {', '.join(groups)}, where no row bears on it"


def effects_sections(report: Report) -> Iterator[Section]:
    """Yield what is told of clusters."""
    if report.effects is None:
        return
    effects = report.effects
    stages = (
        [("", effects)] if report.effects_before is None else [("before", report.effects_before), ("after", effects)]
    )
    yield _overview(report, stages)
    yield _each(report, effects)
    if effects.draws is not None:
        yield from _draws(effects.draws)


def information_sections(report: Report) -> Iterator[Section]:
    """Yield what a freshly fitted adversary reads."""
    if not report.information:
        return
    several = len({one.prediction for one in report.information}) > 1
    rows = tuple(
        (
            one.attribute,
            *([one.prediction] if several else []),
            "–" if one.bits is None else signed(one.bits),
            rate(one.error),
            rate(one.entropy),
            count(one.rows),
        )
        for one in report.information
    )
    columns = ("attribute", *(["prediction"] if several else []), "bits", "error", "most", "rows")
    sentence = (
        "Bits about the group that a newly fitted adversary reads in the prediction where the label is known, on rows "
        "that it did not see; near 0 it reads nothing. most: the bits that tell the group."
    )
    yield Section(
        "Fresh adversary",
        (sentence,),
        Table(columns, rows, ("ll" if several else "l") + "rrrr"),
        tuple(f"{one.attribute}: {one.reason}" for one in report.information if one.reason is not None),
        key="adversary",
    )


def _overview(report: Report, stages: list[tuple[str, Effects]]) -> Section:
    effects = stages[-1][1]
    known = f"{count(len(effects.known))} cluster{'s' if len(effects.known) != 1 else ''}"
    sentences = [f"Column {effects.cluster}: {known}, {count(effects.seen)} rows."]
    if effects.heads:
        sentences = [f"Column {effects.cluster}: the network knows {known}, of which {count(effects.seen)} rows are."]
    if effects.unseen:
        names = ", ".join(effects.unknown[:SHORT]) + (", …" if len(effects.unknown) > SHORT else "")
        how = f", scored {UNSEEN[effects.unseen_z]}" if effects.unseen_z in UNSEEN else ""
        sentences.append(f"{count(effects.unseen)} rows are of others ({names}){how}.")
    attributes = [attribute.name for attribute in report.attributes]
    rows = tuple(
        row for stage, one in stages for head in one.heads for row in _head(f"{stage} {head.head}".strip(), head)
    )
    regression = _regression(effects)
    columns = ("prediction", "rows", "n", "MSE" if regression else "bal.acc", *_of_attributes("bias", attributes))
    table = Table(columns, rows, "ll" + "r" * (len(columns) - 2), grouped=True) if rows else None
    show = signed_amount if regression else signed
    items = [
        f"{f'{stage}: ' if stage else ''}{gap.attribute}, {gap.rows} rows: bias {show(gap.mixed)} with the random "
        f"effects, {show(gap.fixed)} without, gap {show(gap.gap)}"
        for stage, one in stages
        for gap in one.gaps
    ]
    if any(
        gap.rows == "all" and gap.gap is not None and gap.gap * (gap.mixed or 0.0) > LARGE_GAP * (gap.mixed or 0.0) ** 2
        for gap in effects.gaps
    ):
        sentences.append("More than a quarter of a bias comes with the random effects: --edit fe+re may move them too.")
    return Section("Clusters", tuple(sentences), table, tuple(items), key="clusters")


def _regression(effects: Effects) -> bool:
    return any(cluster.mse is not None for cluster in effects.clusters)


def _of_attributes(what: str, attributes: list[str]) -> tuple[str, ...]:
    return (what,) if len(attributes) == 1 else tuple(f"{what} {name}" for name in attributes)


def _head(name: str, head: HeadFigures) -> Iterator[tuple[str, ...]]:
    for part, figures in (("known clusters", head.seen), ("others", head.unseen)):
        if figures is not None:
            number = head.threshold is None
            quality = amount(figures.mse) if number else rate(figures.balanced_accuracy)
            show = signed_amount if number else signed
            yield name, part, count(figures.n), quality, *(show(parity.bias) for parity in figures.parities)


def _each(report: Report, effects: Effects) -> Section:
    regression = _regression(effects)
    attributes = [attribute.name for attribute in report.attributes]
    columns = ("cluster", "n", *(("MSE",) if regression else ("positives", "rate", "bal.acc")))
    columns += _of_attributes("bias", attributes)
    rows = tuple(_row(cluster, regression) for cluster in effects.clusters)
    sentences = ["In brackets: 95% intervals, each by itself."]
    if any(not cluster.known for cluster in effects.clusters):
        sentences.append("† the network does not know the cluster.")
    return Section(
        "Each cluster",
        tuple(sentences),
        Table(columns, rows, "l" + "r" * (len(columns) - 1)),
        extra=len(effects.clusters) > SHORT,
        key="clusters",
    )


def _row(cluster: ClusterFigures, regression: bool) -> tuple[str, ...]:
    name = cluster.name if cluster.known else f"{cluster.name} †"
    show = signed_amount if regression else signed
    biases = (f"{show(one.bias)}{_between(one.interval, True)}" for one in cluster.biases)
    if regression:
        return name, count(cluster.n), amount(cluster.mse), *biases
    return (
        name,
        count(cluster.n),
        count(cluster.positives or 0),
        f"{rate(cluster.selection_rate)}{_between(cluster.selection_interval)}",
        f"{rate(cluster.balanced_accuracy)}{_between(cluster.accuracy_interval)}",
        *biases,
    )


def _between(interval: IntervalFigures | None, sign: bool = False) -> str:
    if interval is None:
        return ""
    form = ".2f" if max(abs(interval.low), abs(interval.high)) < 100 else ".4g"
    low, high = (f"{value:{'+' if sign else ''}{form}}".replace("-", "−") for value in (interval.low, interval.high))
    return f" [{low}, {high}]"


def _draws(draws: Draws) -> Iterator[Section]:
    share = f"{100 * draws.share:g}%"
    sentences = [
        f"The random effects were drawn {count(draws.draws)} times from their posterior; {share} of the draws lie "
        "between the limits. The rows stay the same: these are no intervals for other rows."
    ]
    if draws.flipped is not None and draws.flipped_per_draw is not None:
        sentences.append(
            f"{100 * draws.flipped:.2f}% of the rows are decided otherwise in at least one draw, "
            f"{100 * draws.flipped_per_draw:.2f}% in one draw on average."
        )
    spread = f"{draws.prediction_sd:.4f}" if draws.flipped is not None else amount(draws.prediction_sd)
    sentences.append(f"A row's prediction has a standard deviation of {spread} over draws on average.")
    everyone = _drawn([one for one in draws.figures if one.rows == "all"])
    yield Section("Draws of the random effects", tuple(sentences), everyone, key="clusters")
    apart = [one for one in draws.figures if one.rows != "all"]
    if apart:
        yield Section("Draws, known clusters (seen) and others apart", table=_drawn(apart), extra=True, key="clusters")


def _drawn(figures: list[DrawnFigure]) -> Table:
    rows = tuple(
        (
            FIGURES[one.figure],
            one.attribute or "",
            one.rows,
            *map(_form(one), (one.value, one.low, one.high)),
        )
        for one in figures
    )
    return Table(("figure", "attribute", "rows", "served", "low", "high"), rows, "lllrrr")


def _form(one: DrawnFigure) -> Callable[[float | None], str]:
    """Return how a figure is written: rates with four decimals, amounts of a target with four digits."""
    rates = max((abs(value) for value in (one.value, one.low, one.high) if value is not None), default=0.0) <= 1
    if one.figure == "bias":
        return signed if rates else signed_amount
    return rate if rates else amount
