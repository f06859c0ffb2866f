"""What a human reads about a comparison, in order and without a format: the methods, the choice, then the winner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from debias.report.content.document import Document, Section, Table
from debias.report.content.report import report_document
from debias.report.content.thinning import thinned
from debias.report.text import count, rate, signed
from debias.report.values.comparison import Candidate, Comparison, FrontPoint

BOUND = {"pass": "met", "fail": "missed", "inconclusive": "open", "no-bound": "–"}
ONLY_THERE = "unsure"
# More points of the front than this are thinned out for a reader; JSON has all of them.
POINTS = 12


def comparison_document(found: Comparison) -> Document:
    """Return what a human report of a comparison says."""
    winner = report_document(found.report)
    own = tuple(section for section in winner.sections if section.key != "repeat")
    return replace(
        winner,
        title="debias compare",
        statement=found.statement,
        sections=(*_sections(found), *own, *_repeat(found)),
    )


def _sections(found: Comparison) -> Iterator[Section]:
    yield _methods(found)
    yield Section("Choice", (found.reason,), items=tuple(_behind(found)), key="methods")
    out = [candidate for candidate in found.candidates if candidate.status != "ok"]
    if out:
        reasons = tuple(f"{item.method}: {' '.join(item.reasons)}" for item in out)
        yield Section("Not in the running", items=reasons, key="methods")
    if found.front:
        yield _front(found)


def _methods(found: Comparison) -> Section:
    rows = found.report.rows
    regression = found.report.task == "regression"
    short, long, words = ("R²", "R²", "R²") if regression else ("BA", "bal.acc", "balanced accuracy")
    columns = ("method", "attr", f"sel.{short}", "sel.bias", long, "bias", "obj.", "bound", "sec")
    sentences = [
        f"sel.{short} and sel.bias: {words} and bias on the {count(rows.selection)} rows that chose; the others: "
        f"on the {count(rows.verdict)} verdict rows.",
        "attr: the repair uses the protected attribute at prediction. obj.: the performance where the bound holds, "
        "else 0. * was chosen.",
    ]
    if any(candidate.only_there for candidate in found.candidates):
        sentences.append(
            f"{ONLY_THERE}: the bound holds on the verdict rows, but no step of the method met it on the rows that "
            "chose as the selection asks for it; such a candidate is not taken for a repair."
        )
    if found.attribute_is_input:
        sentences.append("The network itself reads the protected attribute, with or without a repair.")
    table = Table(columns, tuple(map(_row, found.candidates)), "llrrrrrlr")
    return Section("Methods", tuple(sentences), table, key="methods")


def _behind(found: Comparison) -> Iterator[str]:
    for item in found.candidates:
        if item.feasible and item.behind is not None:
            yield (
                f"{item.method}: {signed(-item.behind.difference)} against it on the selection rows, paired standard "
                f"error {item.behind.standard_error:.4f}"
            )


def _row(candidate: Candidate) -> tuple[str, ...]:
    name = f"{candidate.method} *" if candidate.winner else candidate.method
    selection, after = candidate.selection, candidate.after
    if selection is None or after is None:
        return (name, *["–"] * 6, candidate.status, _seconds(candidate))
    return (
        name,
        "yes" if candidate.uses_attribute else "no",
        rate(selection.quality),
        signed(selection.bias),
        rate(after.quality),
        signed(after.bias),
        rate(after.objective),
        ONLY_THERE if candidate.only_there else BOUND.get(candidate.verdict or "no-bound", "–"),
        _seconds(candidate),
    )


def _seconds(candidate: Candidate) -> str:
    return "–" if candidate.seconds is None else f"{candidate.seconds:.1f}"


def _front(found: Comparison) -> Section:
    points = [point for point in found.front if point.overall]
    shown = thinned(points, POINTS)
    words, short = ("R²", "R²") if found.report.task == "regression" else ("balanced accuracy", "bal.acc")
    sentences = [
        f"No step of any method has both a higher {words} and a smaller |bias| on the selection rows than one of these."
    ]
    if len(shown) < len(points):
        sentences.append(f"{count(len(shown))} of {count(len(points))} points; the JSON report has all.")
    rows = tuple((_step(point), signed(point.bias), rate(point.quality)) for point in shown)
    return Section("Pareto front", tuple(sentences), Table(("network", "bias", short), rows, "lrr"), key="front")


def _step(point: FrontPoint) -> str:
    return f"{point.method}, step {count(point.step)}" + (", as returned" if point.chosen else "")


def _repeat(found: Comparison) -> Iterator[Section]:
    if found.command:
        yield Section("To repeat", code=found.command, key="repeat")
    if found.report.command:
        yield Section("To repeat the winner alone", code=found.report.command, key="repeat")
