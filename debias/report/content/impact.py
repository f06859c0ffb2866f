"""What a human report says of impact ratios: a section for each attribute, and for attributes crossed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from debias.report.content.document import Section, Table
from debias.report.content.networks import after_name, before_name
from debias.report.content.regulation_facts import uses_attribute
from debias.report.text import Told, count, rate, shortened, signed
from debias.report.values.impact import Compared, GroupImpact, Impact, RateImpact
from debias.report.values.report import Report

CATEGORIES = 60
"""Categories of a table that a reader is shown; JSON has all."""
LONGEST = 60
"""Columns of a name that a reader is shown."""

Stage = tuple[str, RateImpact]
"""A network by its name, with one kind of rates."""


def impact_sections(report: Report) -> Iterator[Section]:
    """Yield the impact ratios of each attribute and of attributes crossed; no rule is named."""
    for place, item in enumerate(report.impacts):
        sentences = [*_reading(report, item), *unknown(item)]
        if place == 0:
            sentences.append(uses_attribute(report))
        selection, scoring = (stages(report, item, kind) for kind in ("selection", "scoring"))
        table, more = _table(selection, scoring)
        yield Section(
            f"Impact ratios of {named(item.attributes)}", (*sentences, *more), table, extra=True, key="impact"
        )


def stages(report: Report, item: Impact, kind: str) -> list[Stage]:
    """Return one kind of rates by network, in reading order; none where the task has none."""
    named = [(before_name(report), item.before), (after_name(report), item.after)]
    return [(name, found) for name, rates in named for found in rates if found.rate == kind]


def named(names: Sequence[str]) -> str:
    """Return one name, or the names of what is crossed."""
    return " × ".join(shortened(name, LONGEST) for name in names)


def unknown(item: Impact) -> Iterator[str]:
    """Yield how many rows are in no category."""
    who = named(item.attributes)
    if item.unknown:
        yield f"{count(item.unknown)} verdict rows have no {who}: they are in no category and in no rate."
    if item.left_out:
        yield f"{count(item.left_out)} rows without {who} were left out of the table (--missing-attr drop)."


def p_value(value: float | None) -> str:
    """Return a p-value with four decimals, or ``–`` where it is undefined."""
    if value is None:
        return "–"
    return Told("<0.0001" if value < 0.00005 else f"{value:.4f}", value)


def share(group: GroupImpact) -> str:
    """Return a category's share of the rows; a small one has a mark."""
    text = "–" if group.share is None else f"{100 * group.share:.1f}%"
    return f"{text} °" if group.small else text if group.share is None else Told(text, group.share)


def flag(compared: Compared | None) -> str:
    """Return whether a ratio is below 0.8."""
    if compared is None or compared.below_four_fifths is None:
        return "–"
    return "yes" if compared.below_four_fifths else "no"


def against(found: Sequence[Stage], name: str) -> str:
    """Return the category that the others are compared with, by network where it is not the same."""
    references = {stage: getattr(item, name) for stage, item in found}
    if len(set(map(str, references.values()))) == 1:
        stage = next(iter(references))
        return "none: every rate is 0" if references[stage] is None else named(references[stage])
    return " and ".join(
        f"{'none' if reference is None else named(reference)} ({stage})" for stage, reference in references.items()
    )


def _reading(report: Report, item: Impact) -> Iterator[str]:
    selection, scoring = (stages(report, item, kind) for kind in ("selection", "scoring"))
    if selection:
        yield (
            "rate: share with the favourable decision. ratio: divided by the highest rate, that of "
            f"{against(selection, 'highest')}. p: Fisher's exact test against it, two-sided, not corrected for several."
        )
        if any(found.large is not None for _, found in selection):
            yield (
                "large: divided by the highest rate among categories of at least 2% of the rows, that of "
                f"{against(selection, 'large')}; ° is a smaller one."
            )
    if scoring:
        medians = ", ".join(f"{found.median:.4f} {stage}" for stage, found in scoring if found.median is not None)
        yield (
            f"scoring: share with a score above the median of all rows ({medians}); its ratio: divided by the "
            f"highest, that of {against(scoring, 'highest')}. SMD: mean score less that of the "
            f"{'privileged group' if scoring[0][1].privileged else 'same category'} in standard deviations of all "
            "scores; negative is less favourable."
        )
    if report.before.n and any(abs(group.weight - group.n) > 1e-9 for group in report.before.parities[0].groups):
        yield "n counts rows; rates are weighted, which Fisher's test is not made for."


def _table(selection: list[Stage], scoring: list[Stage]) -> tuple[Table, tuple[str, ...]]:
    first = selection or scoring
    large = any(found.large is not None for _, found in first)
    privileged = any(found.privileged is not None and found.privileged != found.highest for _, found in first) and bool(
        selection
    )
    columns = ["category", "network", "n", "share"]
    if selection:
        columns += ["rate", "ratio", *(["large"] if large else []), *(["to privileged"] if privileged else [])]
        columns += ["below 0.8", "p"]
    columns += ["scoring", "its ratio", "SMD"] if scoring else []
    rows = []
    places = range(len(first[0][1].groups))[:CATEGORIES]
    for place in places:
        for at, (stage, found) in enumerate(first):
            group = found.groups[place]
            cells = [named(group.groups), stage, count(group.n), share(group)]
            if selection:
                cells += _selected(group, large, privileged)
            if scoring:
                cells += _scored(scoring[at][1].groups[place])
            rows.append(tuple(cells))
    align = "ll" + "".join("l" if name == "below 0.8" else "r" for name in columns[2:])
    left = len(first[0][1].groups) - len(places)
    more = (f"{count(left)} more categories stand in the JSON report.",) if left else ()
    return Table(tuple(columns), tuple(rows), align, grouped=len(first) > 1), more


def _selected(group: GroupImpact, large: bool, privileged: bool) -> list[str]:
    def ratio(compared: Compared | None) -> str:
        return rate(None if compared is None else compared.ratio)

    return [
        rate(group.rate),
        ratio(group.highest),
        *([ratio(group.large)] if large else []),
        *([ratio(group.privileged)] if privileged else []),
        flag(group.highest),
        p_value(None if group.highest is None else group.highest.fisher_p),
    ]


def _scored(group: GroupImpact) -> list[str]:
    beside = group.privileged or group.highest
    ratio = None if group.highest is None else group.highest.ratio
    return [rate(group.rate), rate(ratio), signed(None if beside is None else beside.smd)]
