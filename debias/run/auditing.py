"""Audit: measure a network as it is deployed; change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from debias.errors import ModelError, Problem
from debias.fairness.metrics import METRICS
from debias.methods.base import Progress, silent
from debias.objective import Objective, exit_code
from debias.report.values.figures import Figures
from debias.report.values.report import AttributeInfo, Report, Rows
from debias.report.views import chosen
from debias.run import evidence
from debias.run.deciding import deployed
from debias.run.effects import by_cluster
from debias.run.figures import Measured
from debias.run.leakage import information
from debias.run.opening import Opened, open_request
from debias.run.provenance import model_info, now, table_info, versions
from debias.run.request import Request
from debias.run.statements import bound_statement, one_decision
from debias.run.streaming.choosing import streams
from debias.run.swapping import swapped
from debias.run.verdict import Ruling


def run_audit(request: Request, progress: Progress = silent) -> Report:
    """Return the report of an audit of all rows of ``--data``."""
    if streams(request):
        from debias.run.streaming.auditing import run_streamed

        return run_streamed(request, progress)
    opened = open_request(request)
    request = opened.request
    objective = replace(request.objective, favorable=opened.data.favorable)
    bounded = request.bound is not None
    measured = Measured.on(opened.data.sample, objective, bounded=bounded, lenient=objective.confidence is not None)
    measured = replace(measured, ddof=request.sd_ddof)
    output = opened.network.outputs(opened.data.sample)
    _check_scores(output, str(request.model))
    swaps = swapped(opened, measured.sample, opened.network.head.probabilities(output).double().numpy())
    before = deployed(opened, measured, output, swaps)
    ruling = before.ruling(measured, bounded=bounded)
    return Report(
        uses_attribute=opened.attribute_is_input,
        decision_disagreements=before.disagreements,
        effects=by_cluster(opened, measured, request.draws),
        information=information(opened, measured) if request.fresh_adversary else [],
        notes=[
            *opened.network.notes,
            *opened.data.notes,
            *one_decision(before.figures),
            *(note for swap in swaps.values() for note in swap.notes),
        ],
        **evidence.of_audit(opened, measured, output),
        **audited(opened, objective, before.figures, ruling, len(opened.data.sample)),
        **common(opened, objective),
    )


def audited(opened: Opened, objective: Objective, figures: Figures, ruling: Ruling, rows: int) -> dict[str, Any]:
    """Return the entries of a report that every audit fills in the same way, however its `rows` were counted."""
    data, request = opened.data, opened.request
    which = f"{'the' if data.dropped else 'all'} {rows:,} rows of {data.sample.name}"
    return {
        "verb": "audit",
        "verdict": ruling.verdict,
        "exit_code": exit_code(ruling.verdict),
        "statement": bound_statement(ruling, figures, objective, which),
        "more_rows": list(ruling.more_rows),
        "verdicts": list(ruling.verdicts),
        "rows": Rows(
            data=rows,
            train=0,
            selection=0,
            verdict=rows,
            verdict_from="data",
            missing_attribute={"data": data.missing},
            missing_attribute_policy=request.missing_attr,
            dropped=data.dropped,
        ),
        "margin": None,
        "min_performance": None,
        "optimistic": False,
        "before": figures,
        "command": request.command(),
    }


def common(opened: Opened, objective: Objective) -> dict[str, Any]:
    """Return the entries of a report that every verb fills in the same way."""
    import debias

    request, data = opened.request, opened.data
    metric = objective.constraints[0].metric
    return {
        "debias_version": debias.__version__,
        "created": now(),
        "metric": metric,
        "metric_formula": METRICS[metric].formula,
        "performance": objective.performance,
        "attributes": [
            AttributeInfo(
                name=item.name,
                groups=list(item.groups),
                privileged=None if item.privileged is None else item.groups[item.privileged],
            )
            for item in (data.sample.attributes[constraint.attribute] for constraint in objective.constraints)
        ],
        "favorable": data.favorable,
        "positive_label": data.positive,
        "eps": objective.constraints[0].eps if request.bound is not None else None,
        "confidence": objective.confidence,
        "task": objective.task,
        "threshold": opened.threshold if objective.task == "classification" else None,
        "decision": opened.decision if objective.task == "classification" else None,
        "model": model_info(opened.network.archive, request.model),
        "data": {role: table_info(table) for role, table in opened.tables.items()},
        "views": chosen(request.view),
        "trusted": opened.network.archive.trusted,
        "seed": request.seed,
        "device": request.device,
        "versions": versions(),
    }


def _check_scores(output: Tensor, where: str) -> None:
    """Refuse scores that say nothing: with all rows decided alike, every bound would hold."""
    if bool((output == output[0]).all()):
        raise same_score(where)


def same_score(where: str) -> ModelError:
    """Return what is said of a network whose scores say nothing."""
    found = "the network gives every row the same score"
    remedy = "Check the features' order and scaling (debias inspect, --features), or train the network again."
    return ModelError(Problem(found, where, remedy))
