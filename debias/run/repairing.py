"""One repair from open to report: the only place that knows the order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from debias.errors import ModelError
from debias.methods.base import Method, Progress, Step, silent
from debias.methods.threshold import Threshold
from debias.model.effects import shift
from debias.model.network import Network
from debias.model.rule import shared_draws
from debias.objective import exit_code
from debias.report.values.figures import Figures
from debias.report.values.report import Change, GroupRule, Report, RuleInfo, SelectionFigures, TrajectoryStep
from debias.run.auditing import common
from debias.run.figures import probability
from debias.run.provenance import model_info, versions
from debias.run.recorded import asked
from debias.run.request import DEFAULT_FIT_SHARE, Request
from debias.run.statements import one_decision, repair_statement
from debias.run.streaming.choosing import samples
from debias.run.workbench import Attempt, Workbench, named_output, output_path

if TYPE_CHECKING:
    from torch import Tensor

    from debias.model.archive import Archive
    from debias.run.writing import Repaired


Keep = Callable[[bytes], None]
"""Takes the content of a repaired file in place of the disk."""


def run_repair(request: Request, method: Method, progress: Progress = silent, keep: Keep | None = None) -> Report:
    """Run a method under the objective, write the repaired file, and return the report; see `finish`."""
    out = output_path(request) if keep is None else named_output(request)
    bench = open_bench(request, progress, fits=method.fits)
    if reasons := bench.reasons(method):
        raise ModelError(reasons)
    return finish(bench, bench.attempt(method, progress), out, keep)


def open_bench(request: Request, progress: Progress, *, fits: bool) -> Workbench:
    """Open the network and the tables; of a table too large for memory a sample chooses, and the rest judges."""
    if not samples(request):
        return Workbench.open(request, fits=fits)
    from debias.run.streaming.bench import open_sampled

    return open_sampled(request, progress, fits=fits)


def finish(bench: Workbench, attempt: Attempt, out: Path, keep: Keep | None = None) -> Report:
    """Write the file of an attempt where its verdict allows it, and return the report; `keep` gets it instead."""
    opened, request, objective, parts = bench.opened, bench.opened.request, bench.objective, bench.parts
    repair, method, ruling, network = attempt.repair, attempt.method, attempt.ruling, opened.network
    plainest = repair if isinstance(method, Threshold) else bench.plainest()
    unchanged = bench.unchanged(plainest)
    on_verdict = {**{name: both[0] for name, both in unchanged.items()}, "after": attempt.verdict}
    on_select = {**{name: both[1] for name, both in unchanged.items()}, "after": attempt.selection}
    write = ruling.verdict == "pass" or request.keep_best
    written = bench.file_of(attempt)
    output = _saved(bench, written, out, _record(bench, attempt, on_verdict), keep) if write else None
    return Report(
        verb=request.verb,
        verdict=ruling.verdict,
        exit_code=exit_code(ruling.verdict),
        statement=repair_statement(ruling, attempt.verdict, attempt.selection, repair, objective, parts.description),
        more_rows=list(ruling.more_rows),
        verdicts=list(ruling.verdicts),
        margin=objective.margin if objective.selection == "margin" else None,
        selection_rule=_selection_rule(bench),
        min_performance=objective.min_performance,
        decision_disagreements=attempt.disagreements,
        optimistic=parts.optimistic,
        uses_attribute=attempt.uses_attribute,
        rows=parts.rows,
        output=None if output is None else model_info(output, out),
        before=on_verdict["before"],
        best_threshold=on_verdict.get("best_threshold"),
        threshold_only=on_verdict.get("threshold_only"),
        after=attempt.verdict,
        selection=SelectionFigures(**on_select),
        change=_change(bench, attempt, written.folded, on_verdict),
        trajectory=[TrajectoryStep(**_step(item, objective.task == "regression")) for item in repair.trajectory],
        notes=[
            *(f"--trust overrode: {problem.found}." for problem in opened.network.archive.waived),
            *opened.network.notes,
            *opened.data.notes,
            *parts.notes,
            *one_decision(on_verdict["before"]),
            *repair.notes,
            *_moved(network, repair.state),
            *(() if write else ("No model was written; --keep-best writes the closest candidate.",)),
        ],
        command=request.command(method.flags()),
        **bench.evidence(attempt, written),
        **common(opened, objective) | {"data": bench.tables},
    )


def _saved(bench: Workbench, written: Repaired, out: Path, record: Mapping[str, Any], keep: Keep | None) -> Archive:
    if keep is None:
        return written.save(out, record, bench.opened.request.force)
    content, archive = written.content(out, record)
    keep(content)
    return archive


def _moved(network: Network, state: Mapping[str, Tensor]) -> list[str]:
    """Return how far a repair moved the random effects of clusters."""
    found = shift(network, state)
    told = ", ".join(f"{name} by at most {far:.2f}" for name, far in found.items())
    return [f"Random effects moved, in posterior SDs: {told}."] if found else []


def _selection_rule(bench: Workbench) -> str:
    return bench.objective.selection + (", bias pooled with the rows for gradients" if bench.pooled else "")


def _record(bench: Workbench, attempt: Attempt, figures: Mapping[str, Figures]) -> dict[str, Any]:
    """Return what the file says about its own making."""
    opened, request = bench.opened, bench.opened.request
    return {
        "method": attempt.method.name,
        "settings": _settings(attempt.method),
        "request": _asked(bench),
        "seed": request.seed,
        "metric": bench.objective.constraints[0].metric,
        "attributes": [item.attribute for item in bench.objective.constraints],
        "eps": bench.objective.constraints[0].eps,
        "performance": bench.objective.performance,
        "confidence": bench.objective.confidence,
        "selection": _selection_rule(bench),
        "margin": bench.objective.margin if bench.objective.selection == "margin" else None,
        "verdict": attempt.ruling.verdict,
        "uses_attribute": attempt.uses_attribute,
        "figures": {name: item.model_dump(mode="json") for name, item in figures.items()},
        "model_sha256": opened.network.archive.sha256,
        "data_sha256": {role: table.sha256 for role, table in opened.tables.items()},
        "trusted": opened.network.archive.trusted,
        "versions": versions(),
    }


def _asked(bench: Workbench) -> dict[str, Any]:
    """Return how rows were chosen and counted, for `debias verify` to count again; no path of the user is in it."""
    request = bench.opened.request
    apart = request.fit_share is None and "train" not in bench.opened.tables and bench.parts.rows.apart
    return asked(replace(request, fit_share=DEFAULT_FIT_SHARE) if apart else request)


def _settings(method: Method) -> dict[str, Any]:
    return asdict(cast(Any, method))


def _change(bench: Workbench, attempt: Attempt, folded: bool, figures: Mapping[str, Figures]) -> Change:
    repair, method, network = attempt.repair, attempt.method, bench.opened.network
    return Change(
        method=method.name,
        settings=_settings(method),
        summary=_summary(attempt, network),
        units=dict(repair.changes.get("units", {})),
        details={key: value for key, value in repair.changes.items() if key != "units"},
        chosen_step=repair.chosen,
        steps=len(repair.trajectory) - 1,
        skipped_layers=method.skipped(network),
        feasible=repair.point.feasible,
        folded=folded and repair.rule is None,
        rule=_rule(bench, attempt),
        gain_over_threshold=figures["after"].objective - figures["threshold_only"].objective
        if "threshold_only" in figures
        else None,
    )


def _rule(bench: Workbench, attempt: Attempt) -> RuleInfo | None:
    rule = attempt.repair.rule
    if rule is None:
        return None
    groups = [
        GroupRule(group=name, cut=probability(float(cut)), below=float(below), above=float(above))
        for name, cut, below, above in zip(rule.groups, rule.cuts, rule.below, rule.above, strict=True)
    ]
    inputs = bench.parts.verdict.inputs or bench.parts.select.inputs  # rows that were only counted have none
    shared = shared_draws(inputs["features"]) if rule.randomised else None
    return RuleInfo(attribute=rule.attribute, groups=groups, shared_draws=shared)


def _summary(attempt: Attempt, network: Network) -> str:
    if attempt.unchanged:
        return "No weight was changed: no candidate was better than the unchanged network at its best threshold."
    return attempt.method.summary(attempt.repair, network)


def _step(step: Step, regression: bool) -> dict[str, Any]:
    return {
        "step": step.step,
        "bias": step.bias,
        "balanced_accuracy": None if regression else step.quality,
        "r2": step.quality if regression else None,
        "objective": step.objective,
        "threshold": step.cut,
        "detail": dict(step.detail),
    }
