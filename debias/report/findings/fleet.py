"""What a fleet found: one finding for each model and attribute, and one for each model without a report.

They have the fingerprints of the same model judged alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from debias.report.findings.finding import DEPLOYED, Finding, Status, bound_words, figure_words
from debias.report.findings.rules import NO_CANDIDATE, NO_REPORT, RULES, Rule
from debias.report.text import bracketed, count, signed_amount
from debias.report.values.fleet import Fleet, FleetRow
from debias.words import bare

OUTCOMES = {
    "pass": "pass",
    "fail": "fail",
    "inconclusive": "inconclusive",
    "undefined": "undefined",
    "no-bound": "no bound",
    "refused": "refused",
    "crashed": "crashed",
    "timeout": "timed out",
    "memory": "out of memory",
    "cpu": "out of processor time",
    "forbidden": "stopped by its sandbox",
    "stopped": "not done",
}
"""What became of a model, in words."""


def fleet_findings(fleet: Fleet) -> Iterator[tuple[FleetRow, tuple[Finding, ...]]]:
    """Yield the first row of each model with what was found about it."""
    for _, same in groupby(fleet.rows, key=lambda row: row.name):
        rows = list(same)
        yield rows[0], tuple(_of_model(rows))


def _of_model(rows: list[FleetRow]) -> Iterator[Finding]:
    first = rows[0]
    if first.status != "done":
        told = f": {first.problem}" if first.problem else "."
        message = f"{bare(first.name)} has no report; {OUTCOMES[first.status]}{told}"
        yield _finding(first, NO_REPORT, "no-report", message)
        return
    found = [_of_attribute(row) for row in rows if row.attribute is not None and row.metric is not None]
    yield from found
    if first.verdict == "fail" and not any(item.status == "fail" for item in found):
        message = f"{bare(first.name)}: no candidate met the bound on the rows that chose among them."
        yield _finding(first, NO_CANDIDATE, "fail", message)


def _of_attribute(row: FleetRow) -> Finding:
    assert row.metric is not None and row.attribute is not None
    status: Status = row.attribute_verdict or row.verdict or "undefined"
    rows = f"on {count(row.rows)} rows" if row.rows is not None else "on the verdict rows"
    figure, bound = figure_words(row.metric, row.bias), bound_words(row.metric, row.eps)
    if row.low is not None and row.high is not None:
        figure += f", interval of the bias {bracketed(row.low, row.high, signed_amount)}"
    judged = {
        "pass": f", {bound}",
        "fail": f", not {bound}",
        "no-bound": "; no bound was asked",
    }.get(status, f"; {bound} was asked" if bound else "")
    message = f"{bare(row.attribute)}, {network(row)}: {figure}{judged}, {rows}."
    return _finding(row, RULES[row.metric], status, message, own=True)


def _finding(row: FleetRow, rule: Rule, status: Status, message: str, own: bool = False) -> Finding:
    pair = row.pair if own and row.pair is not None and len(row.pair) == 2 else None
    return Finding(
        rule=rule,
        model=row.model,
        subject=DEPLOYED if row.verb == "audit" else row.verb,
        network=network(row),
        attribute=row.attribute if own else None,
        metric=row.metric,
        pair=None if pair is None else (pair[0], pair[1]),
        status=status,
        bias=row.bias if own else None,
        bound=row.eps,
        interval=None,
        message=message,
    )


def network(row: FleetRow) -> str:
    """Return what was judged, for a reader."""
    return "as deployed" if row.verb == "audit" else f"repaired by {row.verb}"
