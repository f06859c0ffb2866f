"""`debias audit`."""

from __future__ import annotations

from importlib import import_module

import typer

from debias.cli import arguments
from debias.cli.delivery import Delivery
from debias.cli.options import AuditOptions, MeasureOptions
from debias.cli.verbs import verb


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
