"""Audit: measure a network as it is deployed; change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from debias.errors import ModelError, Problem
from debias.fairness.metrics import METRICS
from debias.objective import Objective, exit_code
from debias.report.model import AttributeInfo, Figures, Report, Rows
from debias.run.figures import Measured
from debias.run.opening import Opened, Request, model_info, open_request, table_info, versions
from debias.run.statements import bound_statement, one_decision
from debias.run.swapping import Swapped, swapped
from debias.run.verdict import Ruling, rule


def run_audit(request: Request) -> Report:
    """Return the report of an audit of all rows of ``--data``."""
    opened = open_request(request)
    request = opened.request
    objective = replace(request.objective, favorable=opened.data.favorable)
    bounded = request.bound is not None
    measured = Measured.on(opened.data.sample, objective, bounded=bounded, lenient=objective.confidence is not None)
    output = opened.network.outputs(opened.data.sample)
    _check_scores(output, str(request.model))
    before = deployed(opened, measured, output)
    ruling = before.ruling(measured, bounded=bounded)
    rows = len(opened.data.sample)
    which = f"{'the' if opened.data.dropped else 'all'} {rows:,} rows of {opened.data.sample.name}"
    return Report(
        verb="audit",
        verdict=ruling.verdict,
        exit_code=exit_code(ruling.verdict),
        statement=bound_statement(ruling, before.figures, objective, which),
        more_rows=list(ruling.more_rows),
        rows=Rows(
            data=rows,
            train=0,
            selection=0,
            verdict=rows,
            verdict_from="data",
            missing_attribute={"data": opened.data.missing},
            missing_attribute_policy=request.missing_attr,
            dropped=opened.data.dropped,
        ),
        margin=None,
        min_performance=None,
        optimistic=False,
        uses_attribute=opened.attribute_is_input,
        before=before.figures,
        decision_disagreements=before.disagreements,
        notes=[*opened.network.notes, *opened.data.notes, *one_decision(before.figures)],
        command=request.command(),
        **common(opened, objective),
    )


def common(opened: Opened, objective: Objective) -> dict[str, Any]:
    """Return the entries of a report that every verb fills in the same way."""
    import debias

    request, data = opened.request, opened.data
    metric = objective.constraints[0].metric
    return {
        "debias_version": debias.__version__,
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
        "threshold": opened.threshold,
        "decision": opened.decision,
        "model": model_info(opened.network.archive, request.model),
        "data": {role: table_info(table) for role, table in opened.tables.items()},
        "trusted": opened.network.archive.trusted,
        "seed": request.seed,
        "device": request.device,
        "versions": versions(),
    }


def _check_scores(output: Tensor, where: str) -> None:
    """Refuse scores that say nothing: with all rows decided alike, every bound would hold."""
    if bool((output == output[0]).all()):
        raise ModelError(
            Problem(
                "the network gives every row the same score",
                where,
                "Check the features' order and scaling (debias inspect, --features), or train the network again.",
            )
        )


@dataclass(frozen=True, eq=False)
class Deployed:
    """What a file decides on some rows.

    Parameters
    ----------
    figures : Figures
        Counted from its own decisions.
    decisions : ndarray of bool, shape [N]
        True where the decision is positive.
    disagreements : int or None
        Rows where argmax and score disagree; None for one score.
    """

    figures: Figures
    decisions: npt.NDArray[np.bool_]
    disagreements: int | None = None

    def ruling(self, measured: Measured, *, bounded: bool = True, held: bool = True, fresh: bool = True) -> Ruling:
        """Return the verdict of these decisions; see `debias.run.verdict.rule`."""
        scorer = measured.scorer
        counts = [scorer.counts(self.decisions, index) for index in range(len(scorer.attributes))]
        return rule(self.figures, counts, scorer.attributes, scorer.objective, bounded=bounded, held=held, fresh=fresh)


def deployed(
    opened: Opened, measured: Measured, output: Tensor | None = None, swaps: Mapping[str, Swapped] | None = None
) -> Deployed:
    """Return what the file itself decides.

    Parameters
    ----------
    opened : Opened
        The network; its own forward is run.
    measured : Measured
        The rows.
    output : Tensor, optional
        What the forward returned for these rows, where it was run before.
    swaps : mapping of str to Swapped, optional
        The attribute swaps on these rows, where they were measured before.
    """
    head, sample, at = opened.network.head, measured.sample, opened.threshold
    if output is None:
        output = opened.network.outputs(sample)
    decisions = head.decide(output, at, opened.decision)
    disagreements = None
    if head.classes == 2:
        other = head.decide(output, at, "score" if opened.decision == "argmax" else "argmax")
        disagreements = int((decisions != other).sum())
    probabilities = head.probabilities(output).double().numpy()
    scores = output.reshape(-1).double().numpy() if head.classes == 1 else opened.network.logits(sample)
    if swaps is None:
        swaps = swapped(opened, sample, probabilities)
    figures = measured.figures(decisions.numpy(), at, scores=scores, probabilities=probabilities, swaps=swaps)
    return Deployed(figures, decisions.numpy(), disagreements)
