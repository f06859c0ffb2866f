"""What a human reads about two runs side by side, in order and without a format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from debias.report.content.document import Document, Section, Table
from debias.report.text import amount, bracketed, count, rate, signed, signed_amount
from debias.report.values.difference import Difference, FigurePair, RunInfo, Stage
from debias.report.values.figures import IntervalFigures
from debias.words import bare

HEADLINES = {"worse": "WORSE", "not-worse": "NOT WORSE", "same": "SAME", "not-compared": "NOT COMPARED"}
_RATES = ("selection_rate", "tpr", "fpr", "balanced_accuracy", "accuracy", "f1", "auroc", "brier", "performance")
_CALLED = {
    "tpr": "TPR",
    "fpr": "FPR",
    "f1": "F1",
    "auroc": "AUROC",
    "brier": "Brier",
    "r2": "R²",
    "mse": "MSE",
    "mae": "MAE",
}
_MOST = 60
"""Settings that a person reads; JSON has all."""


def difference_document(found: Difference) -> Document:
    """Return what a human report of two runs says."""
    return Document(
        title="debias diff",
        headline=HEADLINES[found.outcome],
        statement=found.statement,
        warnings=tuple(_warnings(found)),
        sections=tuple(_sections(found)),
    )


def _warnings(found: Difference) -> Iterator[str]:
    if not found.same_model:
        yield "The runs started from different model files."
    if found.same_data is None:
        yield "Whether both runs read the same rows cannot be told: a table was no file."
    elif not found.same_data:
        yield "The runs read different tables: a part of any difference is chance, see the intervals."
    elif found.same_model and any(pair.first != pair.second for pair in found.figures if pair.stage == "deployed"):
        yield (
            "The same network on the same tables has other figures in both runs: settings or verdict rows differ, and "
            "a part of any difference may be chance."
        )


def _sections(found: Difference) -> Iterator[Section]:
    if found.worse or found.smaller:
        items = (*(f"worse: {text}" for text in found.worse), *(f"smaller: {text}" for text in found.smaller))
        yield Section("What changed", items=items, key="bias")
    yield _runs(found)
    yield _biases(found)
    yield _overall(found)
    for attribute in dict.fromkeys(pair.attribute for pair in found.figures if pair.group is not None):
        yield from _groups(found, str(attribute))
    if found.methods:
        yield _methods(found)
    yield from _settings(found)
    if found.obstacles:
        yield Section("Not compared", items=tuple(found.obstacles), key="notes")
    if found.command is not None:
        yield Section("To repeat", code=found.command, key="repeat")


def _stages(found: Difference) -> tuple[Stage, ...]:
    """Return the stages that a person reads: in two audits the result is the network as deployed, told once."""
    return ("result",) if _audits(found) else ("result", "deployed")


def _stage(found: Difference, stage: Stage) -> str:
    return "as deployed" if stage == "deployed" or _audits(found) else "result"


def _audits(found: Difference) -> bool:
    return found.first.verb == found.second.verb == "audit"


def _told(found: Difference) -> list[FigurePair]:
    return [pair for pair in found.figures if pair.stage in _stages(found)]


def _called(pair: FigurePair) -> str:
    return _CALLED.get(pair.figure, pair.figure.replace("_", " "))


def _runs(found: Difference) -> Section:
    lines: tuple[tuple[str, Callable[[RunInfo], str]], ...] = (
        ("report", lambda run: run.path),
        ("verb", lambda run: run.verb if run.method in (None, run.verb) else f"{run.verb}, {run.method}"),
        ("verdict", lambda run: run.verdict),
        ("metric", lambda run: run.metric),
        ("bound", lambda run: "–" if run.eps is None else f"{run.eps:g}"),
        ("rows", lambda run: count(run.rows)),
        ("model", lambda run: run.model.path),
        ("its SHA-256", lambda run: run.model.sha256[:12]),
        ("written", lambda run: "–" if run.output is None else run.output.path),
        *((f"--{role}", _table_of(role)) for role in dict.fromkeys([*found.first.data, *found.second.data])),
        ("debias", lambda run: run.debias_version),
    )
    rows = tuple((name, told(found.first), told(found.second)) for name, told in lines)
    return Section("The runs", table=Table(("", "first", "second"), rows, "lll"), key="files")


def _table_of(role: str) -> Callable[[RunInfo], str]:
    def told(run: RunInfo) -> str:
        table = run.data.get(role)
        return "–" if table is None else f"{table.path} ({table.rows:,} rows, {(table.sha256 or 'no file')[:12]})"

    return told


def _biases(found: Difference) -> Section:
    pairs = [pair for pair in _told(found) if pair.figure == "bias"]
    number = _scale(found)
    rows = tuple(
        (
            str(pair.attribute),
            _stage(found, pair.stage),
            number(pair.first),
            _between(pair.first_interval, number),
            number(pair.second),
            _between(pair.second_interval, number),
            number(pair.difference),
        )
        for pair in pairs
    )
    columns = ("attribute", "stage", "first", "interval", "second", "interval", "difference")
    sentence = "Difference is second minus first. Whether a bias grew or shrank is told of its size, |bias|."
    return Section("Bias", (sentence,), Table(columns, rows, "llrrrrr"), key="bias")


def _scale(found: Difference) -> Callable[[float | None], str]:
    return signed_amount if found.first.metric in ("mean-difference", "mse-dispersion") else signed


def _between(interval: IntervalFigures | None, number: Callable[[float | None], str]) -> str:
    return "–" if interval is None else bracketed(interval.low, interval.high, number)


def _overall(found: Difference) -> Section:
    # the measure of the objective is one of the others
    pairs = [pair for pair in _told(found) if pair.attribute is None and pair.figure != "performance"]
    order = list(dict.fromkeys(pair.figure for pair in pairs))
    pairs.sort(key=lambda pair: order.index(pair.figure))
    rows = tuple((_called(pair), _stage(found, pair.stage), *_cells(pair)) for pair in pairs)
    columns = ("figure", "stage", "first", "second", "difference")
    return Section("Figures over all rows", table=Table(columns, rows, "llrrr", grouped=True), key="figures")


def _groups(found: Difference, attribute: str) -> Iterator[Section]:
    columns = ("group", "figure", "first", "second", "difference")
    for stage in _stages(found):
        pairs = [
            pair
            for pair in found.figures
            if (pair.attribute, pair.stage) == (attribute, stage) and pair.group is not None
        ]
        rows = tuple((str(pair.group), _called(pair), *_cells(pair)) for pair in pairs)
        table = Table(columns, rows, "llrrr", grouped=True)
        yield Section(
            f"Groups of {attribute}: {_stage(found, stage)}", table=table, extra=stage == "deployed", key="groups"
        )


def _cells(pair: FigurePair) -> tuple[str, str, str]:
    if pair.figure == "n":
        change = "–" if pair.difference is None else f"{pair.difference:+,.0f}".replace("-", "−")
        return _count(pair.first), _count(pair.second), change
    if pair.figure in _RATES:
        return rate(pair.first), rate(pair.second), signed(pair.difference)
    return amount(pair.first), amount(pair.second), signed_amount(pair.difference)


def _count(value: float | None) -> str:
    return "–" if value is None else count(int(value))


def _methods(found: Difference) -> Section:
    number = _scale(found)
    rows = tuple(
        (
            pair.method,
            pair.first_verdict or pair.first_status or "–",
            number(pair.first_bias),
            rate(pair.first_quality),
            pair.second_verdict or pair.second_status or "–",
            number(pair.second_bias),
            rate(pair.second_quality),
        )
        for pair in found.methods
    )
    columns = ("method", "first", "bias", "quality", "second", "bias", "quality")
    sentence = "Quality is balanced accuracy, of a regression R². Figures are of the verdict rows."
    return Section("Methods", (sentence,), Table(columns, rows, "llrrlrr"), key="methods")


def _settings(found: Difference) -> Iterator[Section]:
    if not found.settings:
        yield Section("Settings and rows", ("Nothing else differs.",), key="rows")
        return
    rows = tuple(
        (pair.setting, _value(pair.setting, pair.first), _value(pair.setting, pair.second))
        for pair in found.settings[:_MOST]
    )
    left = len(found.settings) - len(rows)
    sentences = (f"{count(left)} more are in the JSON report.",) if left else ()
    table = Table(("setting", "first", "second"), rows, "lll")
    yield Section("Settings and rows that differ", sentences, table, key="rows")


def _value(setting: str, value: Any) -> str:
    # of a hash as many digits as above; a longer name would be cut too
    return value[:12] if setting.endswith("sha256") and isinstance(value, str) else _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "–"
    return f"{value:g}" if isinstance(value, float) else bare(value)
