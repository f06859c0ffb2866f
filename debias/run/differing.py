"""Two runs side by side, from their reports alone."""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import debias
from debias.errors import Problem, UsageError, together
from debias.report.findings.finding import Judged, run_of
from debias.report.reading import read
from debias.report.values.comparison import Candidate, Comparison
from debias.report.values.difference import Difference, FigurePair, MethodPair, RunInfo, SettingPair, Stage
from debias.report.values.figures import Figures, Parity
from debias.report.values.report import Report
from debias.run.commands import operand

RANKS = {"pass": 0, "inconclusive": 1, "fail": 2}
OVERALL = ("performance", "balanced_accuracy", "accuracy", "f1", "auroc", "brier", "r2", "mse", "mae")
BY_GROUP = (
    "n", "selection_rate", "tpr", "fpr", "balanced_accuracy", "accuracy", "mean_prediction", "mean_target", "mse", "mae"
)  # fmt: skip
ASKED = (
    "attributes", "task", "metric", "favorable", "positive_label", "performance", "eps", "confidence", "margin",
    "selection_rule", "min_performance", "threshold", "decision", "rows", "seed", "device", "trusted", "versions",
    "debias_version", "exit_zero",
)  # fmt: skip
_CHANGED = ("method", "settings", "chosen_step", "steps")


def diff(first: str | Path, second: str | Path, *, tolerance: float = 0.0, fail_if_worse: bool = False) -> Difference:
    """Hold the JSON report of a run against that of an earlier one.

    Parameters
    ----------
    first, second : path-like
        JSON reports of audits, repairs or comparisons; of a comparison the winner's run counts.
    tolerance : float
        The second run is worse where the \\|bias\\| of an attribute is larger by more than this, 0 or more.
    fail_if_worse : bool
        The exit code is 1 where the second run is worse.

    Returns
    -------
    Difference
        All figures of both with their differences, second minus first, and what else differs.

    Raises
    ------
    UsageError
        A file is no report with a verdict, or `tolerance` is off. With `fail_if_worse` also where the two ask different
        questions, so that neither can be worse.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise UsageError(Problem(f"{tolerance!r} is no tolerance", "--tolerance", "Give 0 or more, as in 0.01."))
    (a, told_a), (b, told_b) = together(lambda: _judged(Path(first)), lambda: _judged(Path(second)))
    one, other = run_of(a), run_of(b)
    obstacles = list(_obstacles(one, other))
    figures = [*_pairs(one, other, "deployed"), *_pairs(one, other, "result")]
    biases = [pair for pair in figures if pair.figure == "bias" and pair.stage == "result"]
    worse, smaller = _judgement(one, other, biases, tolerance) if not obstacles else ([], [])
    if obstacles and fail_if_worse:
        remedy = "Leave --fail-if-worse out, or repeat one of the runs with the settings of the other."
        raise UsageError([Problem(told, "--fail-if-worse", remedy) for told in obstacles])
    outcome = _outcome(obstacles, worse, figures)
    command = ["debias", "diff", operand(first), operand(second)]
    command += ["--tolerance", repr(tolerance)] if tolerance else []
    return Difference(
        debias_version=debias.__version__,
        outcome=outcome,
        exit_code=int(fail_if_worse and outcome == "worse"),
        statement=_statement(outcome, obstacles, worse, smaller),
        first=_info(a, one, first, told_a),
        second=_info(b, other, second, told_b),
        same_model=one.model.sha256 == other.model.sha256,
        same_data=_same_data(one, other),
        tolerance=tolerance,
        worse=worse,
        smaller=smaller,
        obstacles=[*obstacles, *_only_in_one(one, other)],
        figures=figures,
        methods=list(_methods(a, b)),
        settings=list(_settings(a, b)),
        fail_if_worse=fail_if_worse,
        command=shlex.join([*command, *(["--fail-if-worse"] if fail_if_worse else [])]),
    )


def _judged(path: Path) -> tuple[Judged, bytes]:
    value, data = read(path)
    if not isinstance(value, Judged):
        told = getattr(value, "verb", "inspect")
        remedy = "Give the JSON reports of two audits, repairs or comparisons."
        raise UsageError(Problem(f"is a report of {told}, which has no verdict about groups", str(path), remedy))
    return value, data


def _result(report: Report) -> Figures:
    return report.before if report.after is None else report.after


def _info(value: Judged, report: Report, path: str | Path, data: bytes) -> RunInfo:
    return RunInfo(
        path=str(path),
        sha256=hashlib.sha256(data).hexdigest(),
        debias_version=value.debias_version,
        verb=value.verb,
        method=None if report.change is None else report.change.method,
        verdict=value.verdict,
        statement=value.statement,
        metric=report.metric,
        eps=report.eps,
        rows=_result(report).n,
        model=report.model,
        output=report.output,
        data=report.data,
    )


def _same_data(one: Report, other: Report) -> bool | None:
    digests = [{role: table.sha256 for role, table in report.data.items()} for report in (one, other)]
    if any(digest is None for found in digests for digest in found.values()):
        return None
    return digests[0] == digests[1]


def _obstacles(one: Report, other: Report) -> Iterator[str]:
    """Yield why no bias of the one can be held against one of the other."""
    for name, told in (("task", "task"), ("metric", "metric"), ("favorable", "favourable decision")):
        values = getattr(one, name), getattr(other, name)
        if values[0] != values[1]:
            yield f"The {told} is {values[0]} in the first run and {values[1]} in the second."
    if not {item.name for item in one.attributes} & {item.name for item in other.attributes}:
        yield "The runs have no protected attribute in common."


def _only_in_one(one: Report, other: Report) -> Iterator[str]:
    """Yield attributes and groups that cannot be held against anything."""
    groups = [{item.name: set(item.groups) for item in report.attributes} for report in (one, other)]
    for told, own, others in (("first", groups[0], groups[1]), ("second", groups[1], groups[0])):
        for name, found in own.items():
            if name not in others:
                yield f"The attribute {name} is in the {told} run alone."
            elif missing := sorted(found - others[name]):
                yield f"Groups of {name} in the {told} run alone: {', '.join(missing)}."


def _pairs(one: Report, other: Report, stage: Stage) -> Iterator[FigurePair]:
    """Yield the figures that both runs have at a stage."""
    a, b = (run.before if stage == "deployed" else _result(run) for run in (one, other))
    parities = {item.attribute: item for item in b.parities}
    shared = [(item, parities[item.attribute]) for item in a.parities if item.attribute in parities]
    for first, second in shared:
        pair = _pair(stage, "bias", first.bias, second.bias, attribute=first.attribute)
        yield pair.model_copy(update={"first_interval": first.interval, "second_interval": second.interval})
    for name in OVERALL:
        values = getattr(a, name), getattr(b, name)
        if values != (None, None):
            yield _pair(stage, name, *values)
    for first, second in shared:
        yield from _group_pairs(stage, first, second)


def _group_pairs(stage: Stage, one: Parity, other: Parity) -> Iterator[FigurePair]:
    groups = {item.name: item for item in other.groups}
    for group in one.groups:
        for name in BY_GROUP if group.name in groups else ():
            values = getattr(group, name), getattr(groups[group.name], name)
            if values != (None, None):
                yield _pair(stage, name, *values, attribute=one.attribute, group=group.name)


def _pair(
    stage: Stage, figure: str, a: float | None, b: float | None, attribute: str | None = None, group: str | None = None
) -> FigurePair:
    difference = None if a is None or b is None else b - a
    return FigurePair(
        stage=stage, figure=figure, attribute=attribute, group=group, first=a, second=b, difference=difference
    )


def _judgement(one: Report, other: Report, biases: list[FigurePair], tolerance: float) -> tuple[list[str], list[str]]:
    """Return what is worse in the second run, and which bias is smaller."""
    worse, smaller = [], []
    same_bound = (one.eps, one.confidence) == (other.eps, other.confidence)
    if same_bound and RANKS.get(other.verdict, 0) > RANKS.get(one.verdict, 3):
        worse.append(f"The verdict was {one.verdict} and is {other.verdict}.")
    for pair in biases:
        if pair.first is None:
            continue
        if pair.second is None:
            worse.append(f"The bias of {pair.attribute} is not defined any more; it was {_told(pair.first)}.")
            continue
        change = abs(pair.second) - abs(pair.first)
        told = f"|bias| of {pair.attribute} went from {_told(abs(pair.first))} to {_told(abs(pair.second))}."
        if change > tolerance:
            worse.append(told)
        elif change < 0:
            smaller.append(told)
    return worse, smaller


def _told(value: float) -> str:
    return f"{value:.4f}".replace("-", "−")


def _outcome(obstacles: list[str], worse: list[str], figures: list[FigurePair]) -> Any:
    if obstacles:
        return "not-compared"
    if worse:
        return "worse"
    result = [pair for pair in figures if pair.stage == "result"]
    return "same" if all(pair.first == pair.second for pair in result) else "not-worse"


def _statement(outcome: str, obstacles: list[str], worse: list[str], smaller: list[str]) -> str:
    if outcome == "not-compared":
        return f"The second run is not held against the first: {_as_clause(obstacles[0])}"
    if outcome == "worse":
        more = f" And {len(worse) - 1} more, see below." if len(worse) > 1 else ""
        return f"The second run is worse: {_as_clause(worse[0])}{more}"
    if outcome == "same":
        return "Every figure of the result that both runs have is the same."
    if smaller:
        return f"The second run is not worse: {_as_clause(smaller[0])}"
    return "The second run is not worse: no |bias| is larger beyond the tolerance."


def _as_clause(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}"


def _methods(a: Judged, b: Judged) -> Iterator[MethodPair]:
    if not (isinstance(a, Comparison) and isinstance(b, Comparison)):
        return
    first, second = ({item.method: item for item in value.candidates} for value in (a, b))
    for method in dict.fromkeys([*first, *second]):
        found = {
            f"{side}_{name}": value
            for side, candidate in (("first", first.get(method)), ("second", second.get(method)))
            for name, value in _of(candidate).items()
        }
        yield MethodPair(method=method, **found)


def _of(candidate: Candidate | None) -> dict[str, Any]:
    if candidate is None:
        return {"status": None}
    after = candidate.after
    return {
        "status": candidate.status,
        "verdict": candidate.verdict,
        "bias": None if after is None else after.bias,
        "quality": None if after is None else after.quality,
    }


def _settings(a: Judged, b: Judged) -> Iterator[SettingPair]:
    """Yield what differs besides the figures, by its place in the report."""
    first, second = (dict(_flat("", _all_settings(value))) for value in (a, b))
    for place in dict.fromkeys([*first, *second]):
        if first.get(place) != second.get(place):
            yield SettingPair(setting=place, first=first.get(place), second=second.get(place))


def _all_settings(value: Judged) -> dict[str, Any]:
    report = run_of(value).model_dump(mode="json")
    found: dict[str, Any] = {"verb": value.verb, **{name: report[name] for name in ASKED}}
    change = report["change"] or {}
    found["change"] = {name: change.get(name) for name in _CHANGED}
    found["model"] = {name: report["model"][name] for name in ("path", "sha256")}
    found["data"] = report["data"]
    found["views"] = [item["id"] for item in report["views"]]
    if isinstance(value, Comparison):
        found["winner"] = value.winner
        found["methods"] = {item.method: item.model_dump(mode="json")["settings"] for item in value.candidates}
    return found


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _flat(f"{place}.{name}" if place else str(name), part)
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        for index, part in enumerate(value):
            yield from _flat(f"{place}.{index}", part)
    else:
        yield place, value
