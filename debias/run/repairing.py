"""One repair from open to report: the only place that knows the order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from debias.errors import ModelError, Problem, together
from debias.files import check_output
from debias.methods.base import Method, Progress, Repair, Setting, Step, silent
from debias.methods.threshold import Threshold
from debias.model.network import Network
from debias.objective import decide, exit_code
from debias.report.model import Change, Figures, Report, SelectionFigures, TrajectoryStep
from debias.run.auditing import common, deployed
from debias.run.figures import Measured, probability
from debias.run.opening import Opened, Request, model_info, open_request, versions
from debias.run.rows import divide
from debias.run.statements import holds, one_decision, repair_statement
from debias.run.writing import Repaired


def run_repair(request: Request, method: Method, progress: Progress = silent) -> Report:
    """Run a method under the objective, write the repaired file, and return the report."""
    out = _out(request)
    opened = open_request(request)
    objective = replace(request.objective, favorable=opened.data.favorable, deployed=opened.threshold)
    eps = objective.constraint.eps
    _check_method(opened.network, method, request)
    parts = divide(opened)
    on_select, on_verdict, _ = together(
        partial(Measured.on, parts.select, objective, eps),
        partial(Measured.on, parts.verdict, objective, eps),
        partial(objective.on, parts.train),
    )
    if parts.train is not parts.select:
        opened.network.logits(parts.train)  # names the rows that get no score
    setting = Setting(opened.network, parts.train, parts.select, objective, request.seed, request.device, progress)
    plainest = Threshold().repair(setting)
    repair = plainest if isinstance(method, Threshold) else method.repair(setting)
    written = Repaired(opened, repair, request)
    on = {"verdict": on_verdict, "selection": on_select}
    cuts = {"best_threshold": _best_cut(on_select, opened.network), "threshold_only": plainest.point.cut}
    figures = {name: _all_figures(opened, cuts, written, measured) for name, measured in on.items()}
    (on_all, disagreements), (on_chosen, _) = figures["verdict"], figures["selection"]
    after, chosen = on_all["after"], on_chosen["after"]
    # A bound that the verdict rows meet by chance is not met: the candidate must have met it where it was chosen.
    held = repair.point.feasible and holds(chosen, objective)
    verdict = decide(after.bias if held else None, eps)
    write = verdict == "pass" or request.keep_best
    record = _record(opened, method, request, on_all, verdict)
    output = written.save(out, record, request.force) if write else None
    return Report(
        verb=request.verb,
        verdict=verdict,
        exit_code=exit_code(verdict),
        statement=repair_statement(verdict, after, chosen, repair, objective, parts.description),
        margin=request.margin,
        min_performance=request.min_performance,
        decision_disagreements=disagreements,
        optimistic=parts.optimistic,
        uses_attribute=opened.attribute_is_input or repair.uses_attribute,
        rows=parts.rows,
        output=None if output is None else model_info(output, out),
        before=on_all["before"],
        best_threshold=on_all["best_threshold"],
        threshold_only=on_all["threshold_only"],
        after=after,
        selection=SelectionFigures(**on_chosen),
        change=_change(method, repair, opened, written.folded, on_all),
        trajectory=[TrajectoryStep(**_step(item)) for item in repair.trajectory],
        notes=[
            *(f"--trust overrode: {problem.found}." for problem in opened.network.archive.waived),
            *opened.network.notes,
            *opened.data.notes,
            *parts.notes,
            *one_decision(on_all["before"]),
            *repair.notes,
            *(() if write else ("No model was written; --keep-best writes the closest candidate.",)),
        ],
        command=request.command(method.flags()),
        **common(opened, objective),
    )


def _out(request: Request) -> Path:
    """Return where the model goes; refuse before any work what could not be written after it."""
    model = Path(request.model)
    out = model.with_name(f"{model.stem}.{request.verb}{model.suffix}") if request.out is None else Path(request.out)
    given = (model, request.data, request.train, request.test, request.contract)
    check_output(out, inputs=[file for file in given if isinstance(file, str | Path)], force=request.force)
    return out


def _check_method(network: Network, method: Method, request: Request) -> None:
    problems = []
    if not network.head.foldable and not request.keep_scores:
        problems.append(
            Problem(
                f"the threshold cannot be folded into the model: {network.head.reason}",
                str(request.model),
                "Use --keep-scores, which leaves the scores as they come and only records the threshold.",
            )
        )
    problems += method.reasons(network)
    if problems:
        raise ModelError(problems)


def _best_cut(measured: Measured, network: Network) -> float:
    """Return the unchanged network's cut of best balanced accuracy on the selection rows."""
    best = measured.scorer.sweep(network.logits(measured.sample)).best()
    return 0.0 if best is None else best.cut


def _all_figures(
    opened: Opened, cuts: Mapping[str, float], written: Repaired, measured: Measured
) -> tuple[dict[str, Figures], int | None]:
    """Return before, best_threshold, threshold_only and after, and the rows where the file's two rules disagree."""
    network = opened.network
    logits, output = network.logits(measured.sample), network.outputs(measured.sample)
    probabilities = network.head.probabilities(output).double().numpy()
    unchanged = {
        name: measured.figures(logits > cut, probability(cut), scores=logits, probabilities=probabilities)
        for name, cut in cuts.items()
    }
    before, _ = deployed(opened, measured, output)
    after, disagreements = written.counted(measured)
    return {"before": before, **unchanged, "after": after}, disagreements


def _record(
    opened: Opened, method: Method, request: Request, figures: Mapping[str, Figures], verdict: str
) -> dict[str, Any]:
    """Return what the file says about its own making."""
    return {
        "method": method.name,
        "settings": _settings(method),
        "seed": request.seed,
        "metric": opened.request.objective.constraint.metric,
        "attribute": request.attr,
        "eps": request.eps,
        "margin": request.margin,
        "verdict": verdict,
        "figures": {name: item.model_dump(mode="json") for name, item in figures.items()},
        "model_sha256": opened.network.archive.sha256,
        "data_sha256": {role: table.sha256 for role, table in opened.tables.items()},
        "trusted": opened.network.archive.trusted,
        "versions": versions(),
    }


def _settings(method: Method) -> dict[str, Any]:
    return asdict(cast(Any, method))


def _change(method: Method, repair: Repair, opened: Opened, folded: bool, figures: Mapping[str, Figures]) -> Change:
    return Change(
        method=method.name,
        settings=_settings(method),
        summary=_summary(method, repair, opened.network),
        units=dict(repair.changes.get("units", {})),
        details={key: value for key, value in repair.changes.items() if key != "units"},
        chosen_step=repair.chosen,
        steps=len(repair.trajectory) - 1,
        skipped_layers=method.skipped(opened.network),
        feasible=repair.point.feasible,
        folded=folded,
        gain_over_threshold=figures["after"].objective - figures["threshold_only"].objective,
    )


def _summary(method: Method, repair: Repair, network: Network) -> str:
    if repair.chosen == 0 and len(repair.trajectory) > 1:
        return "No weight was changed: no candidate was better than the unchanged network at its best threshold."
    return method.summary(repair, network)


def _step(step: Step) -> dict[str, Any]:
    return {
        "step": step.step,
        "bias": step.bias,
        "balanced_accuracy": step.balanced_accuracy,
        "objective": step.objective,
        "threshold": step.cut,
        "detail": dict(step.detail),
    }
