"""`debias audit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from debias.cli import arguments
from debias.cli.delivery import Delivery, FleetReportOptions
from debias.cli.fleet import run
from debias.cli.options import MeasureOptions
from debias.cli.progress import progress_bar
from debias.cli.streaming import StreamOptions
from debias.cli.verbs import CONSTRAINT, OUTPUT, verb
from debias.errors import Problem, UsageError

if TYPE_CHECKING:
    from debias.report.values.fleet import Fleet


@dataclass(frozen=True, kw_only=True)
class AuditOptions(StreamOptions, MeasureOptions):
    """An audit: the bound may be left out."""

    model: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL", help="TorchScript .pt or torch.export .pt2 file; several as DIR/*.pt."),
    ]
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
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Of several models: folder where a JSON report of each is kept, and the summary. Default: none is.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
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
        """Measure performance and bias per group; the exit code says whether the bound holds.

        Several models are audited each in a process of its own, as debias fleet does it: one table with a line for
        each, and one exit code, the gravest of all.
        """
        own = {
            "sd_ddof": options.sd_ddof,
            "draws": options.draws,
            "fresh_adversary": options.fresh_adversary,
        }
        if len(options.model) > 1:
            asked = {"stream": options.stream, "batch_rows": options.batch_rows}
            return several(options, {**measured(options), **own, **asked})
        if options.out is not None:
            raise UsageError(Problem("is for several models", "--out", "Name a file with --report FILE.json."))
        (model,) = options.model
        delivery = Delivery(options, inputs=(model, options.data, options.contract))
        with progress_bar(options.quiet) as progress:
            report = import_module("debias.run").audit(
                model,
                options.data,
                eps=options.eps,
                **own,
                **measured(options),
                **options.streaming,
                progress=progress,
            )
        return delivery.hand_over(report)


def several(options: AuditOptions, asked: Mapping[str, Any]) -> int:
    """Audit several models as a fleet and return the exit code; results are kept where --out says so."""
    problems = [
        Problem("is for one model", flag, "Leave it out, or audit the models one by one.")
        for flag, given in {
            "--baseline": options.baseline,
            "--write-baseline": options.write_baseline,
            "--card": options.card,
            "--mlflow": options.mlflow,
        }.items()
        if given is not None
    ]
    if problems:
        raise UsageError(problems)
    defaults = {item.name: item.default for item in fields(options)}
    jobs = {
        name: value for name, value in asked.items() if name != "trust" and value not in (None, (), defaults.get(name))
    }
    jobs |= {"data": options.data, "eps": options.eps}

    def told(value: Fleet) -> Fleet:
        code = 0 if options.exit_zero and value.exit_code in (1, 3) else value.exit_code
        return value.model_copy(update={"exit_code": code})

    from debias.experiments.fleet.document import Document

    shown = {item.name: getattr(options, item.name) for item in fields(FleetReportOptions)}
    return run(
        FleetReportOptions(**shown),
        Document({"defaults": jobs, "jobs": [{"model": model} for model in options.model]}, flags=True),
        told=told,
        out=options.out,
        trust=options.trust,
        workers=options.workers if options.workers > 1 else None,
        ray=options.ray,
    )


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
