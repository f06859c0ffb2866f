"""What a human reads about findings that were accepted beforehand."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.content.document import Section, Table
from debias.report.findings.finding import Finding, findings_of
from debias.report.text import signed_amount
from debias.report.values.baseline import Accepted
from debias.report.values.report import Report


def accepted_sections(report: Report) -> Iterator[Section]:
    """Yield the findings that a baseline names, with what became of each."""
    use = report.baseline
    if use is None or not (use.accepted or use.worse or use.gone):
        return
    now = {item.fingerprint: item for item in findings_of(report)}
    parts = ((use.accepted, "accepted"), (use.worse, "worse: counts"), (use.gone, "no longer found"))
    rows = tuple(_row(item, now.get(item.fingerprint), word) for items, word in parts for item in items)
    sentences = [f"From {use.path}; a larger bias than the one accepted, or one of the other sign, is a new finding."]
    if use.gone:
        sentences.append("What is no longer found may be taken out of that file.")
    yield Section(
        "Accepted beforehand",
        tuple(sentences),
        Table(("attribute", "rule", "accepted at", "now", "state", "why"), rows, "llrrll"),
        key="bias",
    )


def _row(known: Accepted, found: Finding | None, word: str) -> tuple[str, ...]:
    return (
        known.attribute or "the run",
        known.rule,
        signed_amount(known.bias),
        signed_amount(found.bias) if found is not None else "–",
        word,
        known.reason or "–",
    )
