"""What a human reads about a fleet, in order and without a format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from debias.fairness.metrics import METRICS
from debias.report.content.document import Document, Section, Table
from debias.report.findings.fleet import OUTCOMES
from debias.report.text import Told, amount, bracketed, count, rate, signed, signed_amount
from debias.report.values.fleet import Fleet, FleetRow

MOST_ROWS, MOST_PROBLEMS, MOST_NAMES = 40, 100, 12
LIMITS = {"timeout": "--timeout", "memory": "--memory", "cpu": "--cpu-seconds"}
"""Flags that give a job more, by what it ended for."""
HEADLINES = {0: "PASS", 1: "FAIL", 2: "INCOMPLETE", 3: "INCONCLUSIVE"}
_GRAVEST = ("fail", "inconclusive", "undefined", "pass", "no-bound")
_CHOICES = ("attribute", "verdict", "overall", "status", "metric")

Column: TypeAlias = tuple[str, str, Callable[[FleetRow], str]]
"""Head, side, and what it shows of a row."""
_NAMED: tuple[Column, Column] = (
    ("model", "l", lambda row: row.name),
    ("attribute", "l", lambda row: "–" if row.attribute is None else row.attribute),
)


def fleet_document(found: Fleet) -> Document:
    """Return what a human report of a fleet says."""
    return Document(
        title="debias fleet",
        headline=_headline(found),
        statement=found.statement,
        warnings=("The run was stopped before its end; --resume goes on.",) if found.interrupted else (),
        sections=tuple(_sections(found)),
    )


def _headline(found: Fleet) -> str:
    if found.interrupted:
        return "INTERRUPTED"
    if found.exit_code == 0 and found.counts.get("no-bound", 0) == sum(found.counts.values()):
        return "NO BOUND"
    return HEADLINES.get(found.exit_code, "INCOMPLETE")


def _sections(found: Fleet) -> Iterator[Section]:
    yield _outcomes(found)
    if found.rows:
        yield _short(found)
        yield _all(found)
    if any(row.status != "done" for row in found.rows):
        yield _problems(found)
    yield Section("Run", items=tuple(_run(found)), key="files")
    if found.command:
        yield Section("To repeat", code=found.command, key="repeat")


def outcome(row: FleetRow) -> str:
    """Return what became of a model under one attribute: a verdict, or why there is none."""
    if row.status != "done":
        return row.status
    return row.attribute_verdict or row.verdict or "undefined"


def reach(row: FleetRow) -> float | None:
    """Return |bias| in units of its bound: 1 or more misses it; None where either is missing or the bound is 0."""
    return None if row.bias is None or not row.eps else abs(row.bias) / row.eps


def _outcomes(found: Fleet) -> Section:
    total = sum(found.counts.values())
    known = [name for name in OUTCOMES if found.counts.get(name)]
    names = [*known, *sorted(name for name in found.counts if name not in OUTCOMES)]
    rows = tuple(
        (OUTCOMES.get(name, name), count(found.counts[name]), f"{100 * found.counts[name] / total:.1f}%")
        for name in names
        if found.counts[name]
    )
    sentence = f"{count(total)} model{'' if total == 1 else 's'}, each counted once, over all of its attributes."
    return Section("Outcomes", (sentence,), Table(("outcome", "models", "share"), rows, "lrr"), key="outcomes")


def _short(found: Fleet) -> Section:
    """Return the rows that a reader has to see, those of small fleets all."""
    rows = found.rows
    sentences = []
    if len(rows) > MOST_ROWS:
        gravest = sorted(range(len(rows)), key=lambda place: _gravity(rows[place]))[:MOST_ROWS]
        sentences.append(
            f"{MOST_ROWS} of {count(len(rows))} rows: models without a report first, then those that miss their bound "
            "or leave it open, then those nearest to it. --full, or a file of --report, has all."
        )
        rows = [rows[place] for place in sorted(gravest)]
    columns = [
        *_NAMED,
        *_judged(found.rows),
        *_of_bias(found.rows),
        ("bound", "r", _bound),
        *_of_performance(found.rows),
        ("rows", "r", _rows),
    ]
    return Section("Models", tuple(sentences), _table(columns, rows), key="models", short=True)


def _gravity(row: FleetRow) -> tuple[int, float]:
    places = [_GRAVEST.index(name) for name in (outcome(row), row.verdict) if name in _GRAVEST]
    return 1 + min(places) if row.status == "done" and places else 0, -(reach(row) or 0.0)


def _all(found: Fleet) -> Section:
    """Return every row, without the columns that say the same everywhere."""
    rows = found.rows
    metrics = {row.metric for row in rows if row.metric is not None}
    bounds = {row.eps for row in rows if row.metric is not None}
    sentences = []
    if len(metrics) == 1:
        sentences.append(f"The metric is {min(metrics)}.")
    if len(bounds) == 1 and None not in bounds:
        sentences.append(f"The bound on |bias| is {next(iter(bounds)):g}.")
    columns: list[Column] = [
        *_NAMED,
        *_judged(rows),
        ("status", "l", lambda row: row.status),
        *_only(len(metrics) > 1, ("metric", "l", lambda row: row.metric or "–")),
        *_of_bias(rows),
        *_only(any(row.low is not None for row in rows), ("interval", "l", _interval)),
        *_only(len(bounds) > 1, ("bound", "r", _bound)),
        *_only(any(reach(row) is not None for row in rows), ("|bias|/bound", "r", _reach)),
        *_only(any(row.pair for row in rows), ("groups", "l", lambda row: " – ".join(row.pair or ("–",)))),
        *_only(
            any(row.balanced_accuracy_before is not None for row in rows),
            ("bal.acc before", "r", lambda row: rate(row.balanced_accuracy_before)),
        ),
        *_of_performance(rows),
        *_only(any(row.auroc is not None for row in rows), ("AUROC", "r", lambda row: rate(row.auroc))),
        ("rows", "r", _rows),
        ("sec", "r", lambda row: Told(f"{row.seconds:.2f}", row.seconds)),
        *_only(any(row.reused for row in rows), ("reused", "l", lambda row: row.reused or "–")),
        ("file", "l", lambda row: row.model),
        *_only(len({row.data for row in rows}) > 1, ("table", "l", lambda row: row.data)),
        *_only(len({row.verb for row in rows}) > 1, ("verb", "l", lambda row: row.verb)),
        *_only(any(row.output for row in rows), ("repaired", "l", lambda row: row.output or "–")),
        *_only(any(row.problem for row in rows), ("problem", "l", lambda row: row.problem or "–")),
    ]
    choices = tuple(name for name, _, _ in columns if name in _CHOICES)
    return Section("All models", tuple(sentences), _table(columns, rows, choices), key="models", extra=True)


def _table(columns: Sequence[Column], rows: Sequence[FleetRow], choices: tuple[str, ...] = ()) -> Table:
    return Table(
        tuple(name for name, _, _ in columns),
        tuple(tuple(show(row) for _, _, show in columns) for row in rows),
        "".join(side for _, side, _ in columns),
        choices=choices,
    )


def _only(shown: bool, *columns: Column) -> tuple[Column, ...]:
    return columns if shown else ()


def _judged(rows: Sequence[FleetRow]) -> list[Column]:
    """Return the verdict under the attribute, and that over all attributes where it is another."""
    other = any(row.verdict not in (None, outcome(row)) for row in rows)
    overall: Column = ("overall", "l", lambda row: OUTCOMES[row.verdict] if row.verdict is not None else "–")
    return [("verdict", "l", lambda row: OUTCOMES[outcome(row)]), *_only(other, overall)]


def _of_bias(rows: Sequence[FleetRow]) -> list[Column]:
    before: Column = ("before", "r", lambda row: told_bias(row, row.bias_before))
    return [
        *_only(any(row.bias_before is not None for row in rows), before),
        ("bias", "r", lambda row: told_bias(row, row.bias)),
    ]


def _of_performance(rows: Sequence[FleetRow]) -> list[Column]:
    """Return balanced accuracy, and the measure of the objective where a model has none."""
    told = [row for row in rows if row.status == "done"]
    balanced: Column = ("bal.acc", "r", lambda row: rate(row.balanced_accuracy))
    measure: Column = ("measure", "r", lambda row: amount(row.performance))
    return [
        *_only(any(row.balanced_accuracy is not None for row in told), balanced),
        *_only(any(row.balanced_accuracy is None and row.performance is not None for row in told), measure),
    ]


def told_bias(row: FleetRow, value: float | None) -> str:
    """Return a bias of a row, in rates or in units of the target."""
    in_units = row.metric is not None and METRICS[row.metric].task == "regression"
    return signed_amount(value) if in_units else signed(value)


def _interval(row: FleetRow) -> str:
    if row.low is None or row.high is None:
        return "–"
    return bracketed(row.low, row.high, lambda value: told_bias(row, value))


def _bound(row: FleetRow) -> str:
    return "–" if row.eps is None else Told(f"{row.eps:g}", row.eps)


def _reach(row: FleetRow) -> str:
    value = reach(row)
    return "–" if value is None else Told(f"{value:.2f}" if value < 1e4 else f"{value:.3g}", value)


def _rows(row: FleetRow) -> str:
    return "–" if row.rows is None else count(row.rows)


def _problems(found: Fleet) -> Section:
    without = {row.name: row for row in found.rows if row.status != "done"}
    by_status = Counter(row.status for row in without.values())
    sentences = [", ".join(f"{count(number)} {OUTCOMES[name]}" for name, number in by_status.most_common()) + "."]
    if flags := [flag for status, flag in LIMITS.items() if status in by_status]:
        sentences.append(
            f"More is given by {' or '.join(flags)}; with --resume the jobs without a report are tried again."
        )
    same: dict[str, list[FleetRow]] = {}
    for row in without.values():
        same.setdefault(_why(row), []).append(row)
    if len(same) > MOST_PROBLEMS:
        sentences.append(f"The first {MOST_PROBLEMS} of {count(len(same))}; the JSON report has all.")
    items = tuple(f"{_who(rows)}: {why}" for why, rows in same.items())[:MOST_PROBLEMS]
    return Section("Without a report", tuple(sentences), items=items, key="problems")


def _why(row: FleetRow) -> str:
    """Return why a job has no report, without its own name."""
    text = row.problem or ""
    for own in (row.name, row.model):
        text = text.removeprefix(f"{own}: ")
    return f"{OUTCOMES[row.status]}: {text}" if text else OUTCOMES[row.status]


def _who(rows: Sequence[FleetRow]) -> str:
    """Return the jobs that have no report for the same reason."""
    if len(rows) == 1:
        return f"{rows[0].name} ({rows[0].model})"
    more = f" and {count(len(rows) - MOST_NAMES)} more" if len(rows) > MOST_NAMES else ""
    return ", ".join(row.name for row in rows[:MOST_NAMES]) + more


def _run(found: Fleet) -> Iterator[str]:
    if found.manifest is not None:
        yield f"manifest: {found.manifest}"
    if found.folder:
        yield f"results: {found.folder}"
    where = "on Ray" if found.backend == "ray" else "in processes of this machine"
    yield f"{count(found.workers)} job{'' if found.workers == 1 else 's'} at a time, {where}"
    if found.isolation:
        yield f"isolation: {found.isolation}"
    if found.reused:
        yield f"{count(found.reused)} of the results were not computed anew"
    yield f"{found.seconds:.1f} seconds" + (f", {found.created}" if found.created else "")
