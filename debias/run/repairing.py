"""One repair from open to report: the only place that knows the order."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from debias.contract import Contract, Feature, Input, ProtectedAttribute, write_document
from debias.data.sample import Sample
from debias.data.split import holdout, overlap
from debias.data.tables import Table
from debias.errors import ModelError, Problem, UsageError, WriteError
from debias.fairness.metrics import canonical_metric
from debias.files import write_atomic
from debias.methods.base import Method, Progress, Repair, Setting, silent
from debias.methods.threshold import Threshold
from debias.model.archive import open_archive
from debias.model.network import Network, from_archive
from debias.objective import Constraint, Objective, decide, exit_code
from debias.report.model import Change, Figures, Report, Rows, SelectionFigures, TrajectoryStep
from debias.run.auditing import common, deployed
from debias.run.figures import Measured, probability
from debias.run.opening import Opened, Request, model_info, open_request, versions
from debias.run.statements import repair_statement

# What selection saw, at full length, would make the record as large as the model.
_RECORDED = ("before", "best_threshold", "threshold_only", "after")


@dataclass(frozen=True)
class _Parts:
    """The rows of a run, by what they are for."""

    train: Sample
    select: Sample
    verdict: Sample
    rows: Rows
    tables: Mapping[str, Table]
    notes: tuple[str, ...]


def run_repair(request: Request, method: Method, progress: Progress = silent) -> Report:
    """Run a method under the objective, write the repaired file, and return the report."""
    eps = request.eps
    if eps is None:
        raise UsageError(Problem("no bound was given", "--eps", "A repair needs one, such as --eps 0.05."))
    out = _out(request)
    constraint = Constraint(canonical_metric(request.metric), request.attr, eps)
    # Checks the flags before any work; the favourable direction may come from the contract.
    objective = Objective(constraint, request.margin, request.min_performance)
    opened = open_request(request)
    objective = replace(objective, favorable=opened.data.favorable)
    _check_method(opened.network, method, request)
    parts = _divide(opened)
    opened = replace(opened, tables=parts.tables)
    on_select = Measured.on(parts.select, objective, eps)
    on_verdict = Measured.on(parts.verdict, objective, eps)
    setting = Setting(opened.network, parts.train, parts.select, objective, request.seed, request.device, progress)
    plainest = Threshold().repair(setting)
    repair = plainest if isinstance(method, Threshold) else method.repair(setting)
    written = _Written(opened, repair, request)
    verdict = decide(None, eps) if not repair.point.feasible else "pass"
    on = {"verdict": on_verdict, "selection": on_select}
    cuts = {"best_threshold": _best_cut(on_select, opened.network), "threshold_only": plainest.point.cut}
    figures = {name: _all_figures(opened, cuts, written, measured) for name, measured in on.items()}
    after, on_all = figures["verdict"]["after"], figures["verdict"]
    if verdict == "pass":
        verdict = decide(after.bias, eps)
    write = verdict == "pass" or request.keep_best
    record = _record(opened, method, request, on_all, verdict)
    output = written.save(out, record, request.force) if write else None
    return Report(
        verb=request.verb,
        verdict=verdict,
        exit_code=exit_code(verdict),
        statement=repair_statement(verdict, after, repair, objective, _rows_text(parts)),
        margin=request.margin,
        min_performance=request.min_performance,
        decision_disagreements=written.disagreements(on_verdict),
        optimistic=parts.rows.verdict_from == "selection" or parts.rows.overlap == len(parts.verdict),
        uses_attribute=opened.attribute_is_input or repair.uses_attribute,
        rows=parts.rows,
        output=None if output is None else model_info(output, out),
        before=on_all["before"],
        best_threshold=on_all["best_threshold"],
        threshold_only=on_all["threshold_only"],
        after=after,
        selection=SelectionFigures(**figures["selection"]),
        change=_change(method, repair, opened, written.folded, on_all),
        trajectory=[TrajectoryStep(**_step(item)) for item in repair.trajectory],
        notes=[
            *opened.network.notes,
            *opened.data.notes,
            *parts.notes,
            *repair.notes,
            *(() if write else ("No model was written; --keep-best writes the closest candidate.",)),
        ],
        command=request.command(_settings(method)),
        **common(opened, objective),
    )


def _out(request: Request) -> Path:
    """Return where the model goes; refuse before any work what could not be written after it."""
    model = Path(request.model)
    out = model.with_name(f"{model.stem}.{request.verb}{model.suffix}") if request.out is None else Path(request.out)
    if out.exists() and model.exists() and out.samefile(model):
        raise WriteError(Problem("the input file is never overwritten", str(out), "Name another file with --out."))
    if out.is_dir():
        raise WriteError(Problem("is a directory", str(out), "Name a file with --out."))
    if out.exists() and not request.force:
        raise WriteError(Problem("the file exists", str(out), "Use --force, or another name with --out."))
    if not out.parent.is_dir():
        raise WriteError(Problem("there is no such directory", str(out.parent), "Create it, or change --out."))
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


def _divide(opened: Opened) -> _Parts:
    """Set the verdict's rows aside before anything looks at them."""
    request, data = opened.request, opened.data
    tables: dict[str, Table] = dict(opened.tables)
    missing, dropped, notes = {"data": data.missing}, data.dropped, []
    select, kept_whole, repeated = data.sample, [], 0
    origin: Literal["test", "holdout", "selection"]
    if request.test is not None:
        test, tables["test"] = opened.prepare(request.test, "test")
        verdict, origin = test.sample, "test"
        missing["test"], dropped = test.missing, dropped + test.dropped
        repeated = overlap(data.sample, verdict)
        notes += list(test.notes)
    elif request.holdout > 0:
        split = holdout(data.sample, request.attr, request.holdout, request.seed)
        select, verdict, origin = data.sample.take(split.selection), data.sample.take(split.verdict), "holdout"
        kept_whole = split.kept_whole
    else:
        verdict, origin = select, "selection"
    train = select
    if request.train is not None:
        prepared, tables["train"] = opened.prepare(request.train, "train")
        train = prepared.sample
        missing["train"], dropped = prepared.missing, dropped + prepared.dropped
        notes += list(prepared.notes)
    rows = Rows(
        data=len(data.sample),
        train=len(train),
        selection=len(select),
        verdict=len(verdict),
        verdict_from=origin,
        overlap=repeated,
        missing_attribute=missing,
        missing_attribute_policy=request.missing_attr,
        dropped=dropped,
        kept_whole=kept_whole,
    )
    return _Parts(train, select, verdict, rows, tables, tuple(notes))


class _Written:
    """The repaired file: serialised, read back, and only then counted."""

    def __init__(self, opened: Opened, repair: Repair, request: Request) -> None:
        self.network, self.repair, self.request = opened.network, repair, request
        self.opened = opened
        self.folded = not request.keep_scores
        self.state = dict(repair.state)
        head = self.network.head
        if self.folded:
            self.state |= head.fold({**self.network.state, **self.state}, repair.point.cut, opened.threshold)
            self.threshold = opened.threshold
        else:
            self.threshold = probability(repair.point.cut)
        self.reread = replace(opened, network=self._read_back({}), threshold=self.threshold, decision=self._decision())

    def figures(self, measured: Measured) -> Figures:
        """Return the figures of the file's own decisions."""
        return deployed(self.reread, measured)[0]

    def disagreements(self, measured: Measured) -> int | None:
        """Return the rows on which argmax and score disagree."""
        return deployed(self.reread, measured)[1]

    def save(self, out: Path, record: Mapping[str, Any], force: bool) -> Any:
        """Write the file with its record, and check that what was written decides as what was counted."""
        write_atomic(out, self._bytes(record), force=force)
        archive = open_archive(out, trust=self.request.trust)
        saved = from_archive(archive, contract=self.contract(), output_kind=self.network.head.kind)
        if any(not _same(saved.state[name], value) for name, value in self.reread.network.state.items()):
            raise WriteError(Problem("the file read back differs from what was written", str(out), "Check the disk."))
        return archive

    def contract(self) -> Contract | None:
        """Return the contract of the repaired file: that of the input, or what the flags told, with its threshold."""
        base = self.network.contract or _told(self.opened)
        if base is None:
            return None
        output = base.output.model_copy(
            update={"threshold": self.threshold, "decision": self._decision(), "kind": self.network.head.kind}
        )
        return base.model_copy(update={"output": output})

    def _decision(self) -> Literal["score", "argmax"]:
        return self.opened.decision if self.folded else "score"

    def _bytes(self, record: Mapping[str, Any]) -> bytes:
        text = write_document(self.contract(), record)
        return self.network.serialised(self.state, {**self.network.archive.extra, "debias.json": text})

    def _read_back(self, record: Mapping[str, Any]) -> Network:
        with tempfile.TemporaryDirectory(prefix="debias-") as folder:
            path = Path(folder) / f"model{Path(self.request.model).suffix}"
            write_atomic(path, self._bytes(record))
            archive = open_archive(path, trust=self.request.trust)
        return from_archive(archive, contract=self.contract(), output_kind=self.network.head.kind)


def _same(a: Any, b: Any) -> bool:
    return bool((a == b).all())


def _best_cut(measured: Measured, network: Network) -> float:
    """Return the unchanged network's cut of best balanced accuracy on the selection rows."""
    best = measured.scorer.sweep(network.logits(measured.sample)).best()
    return 0.0 if best is None else best.cut


def _all_figures(
    opened: Opened, cuts: Mapping[str, float], written: _Written, measured: Measured
) -> dict[str, Figures]:
    """Return before, best_threshold, threshold_only and after on one set of rows."""
    network = opened.network
    logits = network.logits(measured.sample)
    probabilities = network.head.probabilities(network.outputs(measured.sample)).double().numpy()
    unchanged = {
        name: measured.figures(logits > cut, probability(cut), scores=logits, probabilities=probabilities)
        for name, cut in cuts.items()
    }
    return {"before": deployed(opened, measured)[0], **unchanged, "after": written.figures(measured)}


def _told(opened: Opened) -> Contract | None:
    """Return what the flags told about a plain table as a contract, so that the repaired file needs none of them."""
    data, network = opened.data, opened.network
    if len(network.inputs) != 1 or any(not name for name in data.features) or data.label in data.features:
        return None
    return Contract(
        inputs=(Input(name=network.inputs[0].name, role="features", width=network.inputs[0].width),),
        features=tuple(Feature(column=name, kind="numeric") for name in data.features),
        label=data.label,
        positive=data.positive,
        favorable=data.favorable,
        attributes=(ProtectedAttribute(column=opened.request.attr),),
    )


def _record(
    opened: Opened, method: Method, request: Request, figures: Mapping[str, Figures], verdict: str
) -> dict[str, Any]:
    """Return what the file says about its own making."""
    return {
        "method": method.name,
        "settings": _settings(method),
        "seed": request.seed,
        "metric": request.metric,
        "attribute": request.attr,
        "eps": request.eps,
        "margin": request.margin,
        "verdict": verdict,
        "figures": {name: json.loads(figures[name].model_dump_json()) for name in _RECORDED},
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


def _step(step: Any) -> dict[str, Any]:
    return {
        "step": step.step,
        "bias": step.bias,
        "balanced_accuracy": step.balanced_accuracy,
        "objective": step.objective,
        "threshold": step.cut,
        "detail": dict(step.detail),
    }


def _rows_text(parts: _Parts) -> str:
    number = f"{len(parts.verdict):,}"
    return {
        "test": f"the {number} rows of {parts.verdict.name}",
        "holdout": f"{number} rows of {parts.verdict.name} that were set aside",
        "selection": f"the {number} rows of {parts.verdict.name} that also chose the candidate",
        "data": "",
    }[parts.rows.verdict_from]
