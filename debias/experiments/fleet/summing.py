"""From the results of jobs to the rows of the summary, its counts and its one exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from debias.report.values.figures import Figures, Parity
from debias.report.values.fleet import FleetRow, JobResult
from debias.words import count

GRAVITY = (0, 3, 1, 2)
"""Exit codes, the gravest last."""
OUTCOMES = ("pass", "fail", "inconclusive", "no-bound")
"""Verdicts of jobs with a report, in the order in which they are told."""


def rows_of(result: JobResult) -> list[FleetRow]:
    """Return a row for each attribute of a job; one for a job without a report."""
    common: dict[str, Any] = {
        "name": result.name,
        "model": result.model,
        "data": result.data,
        "verb": result.verb,
        "status": result.status,
        "exit_code": result.exit_code,
        "output": result.output,
        "seconds": result.seconds,
        "reused": result.reused,
        "model_sha256": result.model_sha256,
        "data_sha256": result.data_sha256,
    }
    report = result.report
    if report is None:
        return [FleetRow(**common, problem=_problem(result))]
    figures = report.after or report.before
    before = report.before if report.after is not None else None
    verdicts = {one.attribute: one.verdict for one in report.verdicts}
    common |= {
        "verdict": report.verdict,
        "metric": report.metric,
        "eps": report.eps,
        "performance": figures.performance,
        "balanced_accuracy": figures.balanced_accuracy,
        "auroc": figures.auroc,
        "rows": report.rows.verdict,
        "balanced_accuracy_before": None if before is None else before.balanced_accuracy,
    }
    return [
        FleetRow(
            **common,
            **_of_attribute(parity),
            attribute_verdict=verdicts.get(parity.attribute, "no-bound"),
            bias_before=_bias(before, parity.attribute),
        )
        for parity in figures.parities
    ]


def _of_attribute(parity: Parity) -> dict[str, Any]:
    interval = parity.interval
    return {
        "attribute": parity.attribute,
        "bias": parity.bias,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "pair": None if parity.pair is None else list(parity.pair),
    }


def _bias(figures: Figures | None, attribute: str) -> float | None:
    if figures is None:
        return None
    return next((parity.bias for parity in figures.parities if parity.attribute == attribute), None)


def _problem(result: JobResult) -> str:
    """Return why a job has no report, in one line."""
    told = [f"{one.where}: {one.found}" if one.where else one.found for one in result.problems]
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return " ".join(f"{told[0] if told else result.status}{more}".split())


def outcome_of(row: FleetRow) -> str:
    """Return what a job counts as: the verdict of its report, else why it has none."""
    return row.verdict if row.verdict is not None else row.status


def counts_of(jobs: Iterable[FleetRow]) -> dict[str, int]:
    """Return how many jobs came to each outcome; one row a job is given."""
    found = Counter(map(outcome_of, jobs))
    order = [*(name for name in OUTCOMES if name in found), *sorted(set(found) - set(OUTCOMES))]
    return {name: found[name] for name in order}


def gravest(codes: Iterable[int]) -> int:
    """Return one exit code for all: 2 over 1 over 3 over 0."""
    return max(codes, key=GRAVITY.index, default=0)


def statement_of(counts: dict[str, int]) -> str:
    """Return how the jobs ended, in one sentence."""
    total = sum(counts.values())
    told = {
        "pass": ("meets its bound", "meet their bound"),
        "fail": ("misses its bound", "miss their bound"),
        "inconclusive": ("is open", "are open"),
        "no-bound": ("was measured without a bound", "were measured without a bound"),
    }
    amounts = [(counts.get(name, 0), words) for name, words in told.items()]
    stopped = counts.get("stopped", 0)
    without = total - sum(amount for amount, _ in amounts) - stopped
    amounts += [(without, ("has no report", "have no report")), (stopped, ("was not done", "were not done"))]
    parts = [f"{amount:,} {words[amount > 1]}" for amount, words in amounts if amount]
    return f"Of {count(total, 'model')}, {_joined(parts)}."


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def job_rows(rows: Iterable[FleetRow]) -> list[FleetRow]:
    """Return one row for each job."""
    first: dict[str, FleetRow] = {}
    for row in rows:
        first.setdefault(row.name, row)
    return list(first.values())
