"""What a human report says under a regulatory view: the rule with its state, what it asks, and its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from debias.report.content.document import Section, Table
from debias.report.content.impact import CATEGORIES, Stage, against, flag, named, p_value, share, stages, unknown
from debias.report.content.regulation_facts import told, uses_attribute
from debias.report.regulations import Column, Rates, View, ids, view
from debias.report.text import count, rate, signed
from debias.report.values.impact import Compared, GroupImpact, RateImpact
from debias.report.values.report import Report

NO_FINDING = "This view states figures; whether the rule applies, or is met, it does not say."
OWNER = "Not in this report: its owner has to tell it."
HIDDEN = "hidden"
ABOVE = "above median"
TESTS: dict[Column, str] = {"fisher": "Fisher: exact test", "z_p": "z: two proportions with the pooled rate"}
KINDS = {"selection": "Selection", "scoring": "Scoring"}


def view_sections(report: Report) -> Iterator[Section]:
    """Yield the sections of every regulatory view that was chosen."""
    for chosen in report.views:
        if chosen.id not in ids():
            text = f"This version of debias has no view {chosen.id}, which the report was asked to show."
            yield Section(f"View {chosen.id}", (text,), key="impact")
            continue
        found = view(chosen.id)
        yield _about(report, found, chosen.as_of)
        if found.rates is not None:
            yield from _tables(report, found, found.rates)


def _about(report: Report, found: View, as_of: str) -> Section:
    sentences = [f"{found.holds}", f"As of {found.as_of}: {found.state}"]
    if as_of != found.as_of.isoformat():
        sentences.append(f"The report was made when the data file told the state of {as_of}.")
    sentences += [NO_FINDING, uses_attribute(report)]
    rows = tuple(
        (item.what, "" if place else item.where, text)
        for item in found.asks
        for place, text in enumerate([told(report, fact) for fact in item.facts] or [OWNER])
    )
    table = Table(("asked for", "where", "this report"), rows, "lll", grouped=True) if rows else None
    items = (
        *found.notes,
        *(f"{event.day}: {event.what}" for event in found.events),
        *(f"Not settled: {text}" for text in found.unsure),
        *(
            f"Source: {source.title}{f' ({source.dated})' if source.dated else ''}, {source.url}"
            for source in found.sources
        ),
    )
    return Section(f"View {found.id}: {found.title}", tuple(sentences), table, items, key="impact")


def _tables(report: Report, found: View, rates: Rates) -> Iterator[Section]:
    for item in report.impacts:
        if len(item.attributes) > 1 and not rates.crossed:
            continue
        for kind in rates.kinds:
            its = stages(report, item, kind)
            if its:
                title = f"{KINDS[kind]} rates of {named(item.attributes)} ({found.id})"
                sentences = (*_reading(its, rates), *unknown(item))
                yield Section(title, sentences, _table(its, rates), key="impact")


def _reading(its: Sequence[Stage], rates: Rates) -> Iterator[str]:
    if "ratio" in rates.columns:
        leaves = rates.small == "leave-out" and any(found.large is not None for _, found in its)
        among = " among categories of at least 2% of the rows" if leaves else ""
        reference = against(its, "large" if leaves else "highest")
        yield f"ratio: rate divided by the highest rate{among}, that of {reference}."
    if "privileged_ratio" in rates.columns:
        yield f"AIR: rate divided by that of {against(its, _control(its))}."
    if {"smd", "mean_score"} & set(rates.columns) and its[0][1].rate == "scoring":
        yield f"SMD: mean score less that of {against(its, _control(its))}, in standard deviations of all scores."
    if tests := [text for name, text in TESTS.items() if name in rates.columns]:
        yield f"{'; '.join(tests)}; p-values are two-sided, of one comparison each."
    if any(group.small for _, found in its for group in found.groups):
        left = ": it gets no ratio" if rates.small == "leave-out" else ""
        yield f"° is a category below 2% of the rows{left}."
    if rates.hide_below:
        yield f"Categories below {rates.hide_below} rows are shown without figures in this table."


def _control(its: Sequence[Stage]) -> str:
    return "privileged" if its[0][1].privileged is not None else "highest"


def _table(its: Sequence[Stage], rates: Rates) -> Table:
    scores = its[0][1].rate == "scoring"
    columns = [name for name in rates.columns if scores or name not in ("mean_score", "smd")]
    leaves = rates.small == "leave-out" and any(found.large is not None for _, found in its)
    hidden = _hidden(its[0][1], rates.hide_below)
    rows = []
    for place in range(len(its[0][1].groups))[:CATEGORIES]:
        for stage, found in its:
            group = found.groups[place]
            beside = _beside(group, found, leaves, "privileged_ratio" in columns)
            cells = [HIDDEN if place in hidden else CELLS[name][1](group, beside) for name in columns]
            rows.append((named(group.groups), stage, *cells))
    names = ("category", "network", *(ABOVE if scores and name == "selected" else CELLS[name][0] for name in columns))
    align = "ll" + "".join("l" if name == "flag" else "r" for name in columns)
    return Table(names, tuple(rows), align, grouped=len(its) > 1)


def _hidden(found: RateImpact, least: int) -> set[int]:
    """Return the categories without figures: those below `least` rows, and one more where the total would tell one."""
    sizes = [group.n for group in found.groups]
    hidden = {place for place, n in enumerate(sizes) if n < least}
    if len(hidden) == 1 and len(sizes) > 1:
        hidden.add(min((place for place in range(len(sizes)) if place not in hidden), key=sizes.__getitem__))
    return hidden


def _beside(group: GroupImpact, found: RateImpact, leaves: bool, control: bool) -> dict[str, Compared | None]:
    """Return what a category is compared with: for its ratio, for AIR and SMD, and for the tests."""
    ratio = group.large if leaves else group.highest
    beside = group.highest if found.privileged is None else group.privileged
    return {"ratio": ratio, "control": beside, "tests": beside if control else ratio}


Beside = dict[str, Compared | None]
Cell = Callable[[GroupImpact, Beside], str]


def _number(name: str, at: str, show: Callable[[float | None], str]) -> Cell:
    def cell(_: GroupImpact, beside: Beside) -> str:
        return show(getattr(beside[at], name, None))

    return cell


CELLS: dict[Column, tuple[str, Cell]] = {
    "n": ("n", lambda group, _: count(group.n)),
    "share": ("share", lambda group, _: share(group)),
    "selected": ("selected", lambda group, _: count(group.selected)),
    "rate": ("rate", lambda group, _: rate(group.rate)),
    "ratio": ("ratio", _number("ratio", "ratio", rate)),
    "flag": ("below 0.8", lambda _, beside: flag(beside["ratio"])),
    "privileged_ratio": ("AIR", _number("ratio", "control", rate)),
    "fisher": ("Fisher p", _number("fisher_p", "tests", p_value)),
    "z": ("z", _number("z", "tests", signed)),
    "z_p": ("z p", _number("z_p", "tests", p_value)),
    "mean_score": ("mean score", lambda group, _: rate(group.mean_score)),
    "smd": ("SMD", _number("smd", "control", signed)),
}
"""Heading of each column, and its cell."""
