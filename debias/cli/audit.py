"""`debias audit`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import typer

from debias.cli import arguments
from debias.cli.delivery import Delivery
from debias.cli.options import MeasureOptions
from debias.cli.verbs import CONSTRAINT, verb


@dataclass(frozen=True, kw_only=True)
class AuditOptions(MeasureOptions):
    """An audit: the bound may be left out."""

    eps: Annotated[
        float | None,
        typer.Option(
            metavar="BOUND",
            help="The bound: absolute bias must be below it. Default: no bound is asked, the exit code is 0.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    sd_ddof: Annotated[
        int,
        typer.Option(
            metavar="0|1",
            min=0,
            max=1,
            help="Standard deviations over groups divide by the number of groups (0), or by one less (1).",
            rich_help_panel=CONSTRAINT,
        ),
    ] = 0
    draws: Annotated[
        int,
        typer.Option(
            metavar="M",
            help="Draw the random effects of a mixed-effects network M times from their posterior: limits of each "
            "figure, and the share of decisions that flip.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = 0
    fresh_adversary: Annotated[
        bool,
        typer.Option(
            "--fresh-adversary",
            help="Fit an adversary anew to convergence: how many bits about each attribute prediction and label tell.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "audit", AuditOptions)
    def audit(options: AuditOptions) -> int:
        """Measure performance and bias per group; the exit code says whether the bound holds."""
        delivery = Delivery(options, inputs=(options.model, options.data, options.contract))
        own = {
            "sd_ddof": options.sd_ddof,
            "draws": options.draws,
            "fresh_adversary": options.fresh_adversary,
        }
        report = import_module("debias.run").audit(
            options.model, options.data, eps=options.eps, **own, **measured(options)
        )
        return delivery.hand_over(report)


def measured(options: MeasureOptions) -> dict[str, object]:
    """Return the arguments that `audit` and every repair share."""
    return {
        "attr": options.attr,
        "label": options.label,
        "positive": options.positive,
        "favorable": options.favorable.value if options.favorable else None,
        "privileged": options.privileged,
        "metric": options.metric.value if options.metric else None,
        "min_ratio": options.min_ratio,
        "performance": options.performance.value if options.performance else None,
        "confidence": options.confidence,
        "threshold": options.threshold,
        "decision": options.decision.value if options.decision else None,
        "features": arguments.columns(options.features),
        "ignore": arguments.columns(options.ignore) or (),
        "weight": options.weight,
        "missing_attr": options.missing_attr.value,
        "bins": options.bins,
        "min_group": options.min_group,
        "cluster": options.cluster,
        "unseen_z": options.unseen_z.value if options.unseen_z else None,
        "output_kind": options.output_kind.value if options.output_kind else None,
        "contract": options.contract,
        "device": options.device,
        "trust": options.trust,
        "seed": options.seed,
        "view": options.view or (),
    }
