"""The repair of a network by a sample of a table that is read a batch at a time; the rest of the table judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from debias.contract import Contract
from debias.data.tables import Table, read_table
from debias.data.values import IntArray
from debias.errors import Problem, UsageError, together
from debias.methods.base import Progress
from debias.model.archive import archive_of
from debias.model.network import from_archive
from debias.report.values.figures import Figures
from debias.report.values.report import Rows, TableInfo
from debias.run.evidence.layers import layers
from debias.run.figures import probability
from debias.run.opening import Opened, opened_with
from debias.run.request import Request
from debias.run.rows import Parts, divide
from debias.run.streaming.choosing import SAMPLE_ROWS
from debias.run.streaming.counted import Counted
from debias.run.streaming.drawing import Drawn, RestInputs, draw
from debias.run.streaming.opening import Streamed, open_streamed, prepared_cells
from debias.run.streaming.passes import Scoring, tallied
from debias.run.verdict import rule
from debias.run.workbench import Attempt, Judged, Workbench
from debias.run.writing import Repaired
from debias.words import show


@dataclass(frozen=True, eq=False)
class SampledBench(Workbench):
    """A workbench whose rows that choose are a sample of a file.

    Parameters
    ----------
    streamed : Streamed
        The rest of the file, which judges; of the whole file where ``--test`` does.
    drawn : ndarray of int64
        Numbers of the rows of the sample in the file, ascending.
    info : TableInfo
        The file.
    progress : Progress
        Told of the passes over it.
    """

    streamed: Streamed
    drawn: IntArray
    info: TableInfo
    progress: Progress
    _counted: dict[str, tuple[object, Counted]] = field(default_factory=dict, repr=False)

    @property
    def from_rest(self) -> bool:
        """True where the rest of the file judges."""
        return self.parts.rows.verdict_from == "holdout"

    @property
    def tables(self) -> dict[str, TableInfo]:
        """The tables that took part, by role."""
        return {**super().tables, "data": self.info}

    def judged(self, written: Repaired, *, held: bool) -> Judged:
        """Return what the repaired file decides on the verdict rows."""
        if not self.from_rest:
            return super().judged(written, held=held)
        after = self._after(written)
        figures = after.figures({})
        ruling = rule(figures, after.by_attribute, after.frame.attributes, self.objective, held=held, fresh=True)
        two = written.reread.network.head.classes == 2
        return Judged(figures, ruling, after.tally.disagreements if two else None)

    def unchanged_on_verdict(self, cuts: Mapping[str, float]) -> dict[str, Figures]:
        """Return the unchanged network on the verdict rows: as deployed (``before``), and cut at these logits."""
        if not self.from_rest:
            return super().unchanged_on_verdict(cuts)
        thresholds = {name: probability(cut) for name, cut in cuts.items()}
        before = self._before(tuple(thresholds.values()))
        return {"before": before.figures({})} | {
            name: _cut_at(before, threshold).figures({}) for name, threshold in thresholds.items()
        }

    def evidence(self, attempt: Attempt, written: Repaired) -> dict[str, Any]:
        """Return what a reader of the report looks at beyond the figures, by the report's entry."""
        if not self.from_rest:
            return super().evidence(attempt, written)
        before, after = self._before(), self._after(written)
        return {
            "sweeps": [before.sweep(), *(() if written.rule else (after.sweep("after"),))],
            "layers": layers(written, attempt.repair.changes.get("units", {})),
            "crossings": before.crossings(after),
            "impacts": before.impacts(after),
        }

    def _before(self, thresholds: tuple[float, ...] = ()) -> Counted:
        """Return the unchanged network's counts; a pass over the file where they are not known at these thresholds."""
        known = self._counted.get("before")
        if known is not None and set(thresholds) <= set(known[0]):  # type: ignore[call-overload]
            return known[1]
        scoring = self.streamed.scoring
        scoring.thresholds = thresholds
        found = self._tallied(scoring, self.opened)
        self._counted["before"] = (thresholds, found)
        return found

    def _after(self, written: Repaired) -> Counted:
        """Return the repaired file's counts; a pass over the file, once for each file."""
        known = self._counted.get("after")
        if known is not None and known[0] is written:
            return known[1]
        found = self._tallied(self.rescoring(written), written.reread)
        self._counted["after"] = (written, found)
        return found

    def rescoring(self, written: Repaired) -> Scoring:
        """Return what scores the rows by a repaired file that is not written yet, in this process or another."""
        again = written.reread
        usual = self.streamed.scoring
        group = None
        if written.rule is not None:
            group = self.streamed.settled.attributes[written.rule.attribute].codes, len(written.rule.groups)
        assert isinstance(usual.inputs, RestInputs)
        return _Rescoring(
            **{
                **usual.__dict__,
                "inputs": replace(usual.inputs, group=group),
                "threshold": again.threshold,
                "decision": again.decision,
                "network": again.network,
            },
            content=written.bare,
            contract=written.contract(),
            kind=self.opened.network.head.kind,
        )

    def _tallied(self, scoring: Scoring, opened: Opened) -> Counted:
        tally = tallied(scoring, self.streamed.backend, self.progress)
        return self.streamed.counted(tally, opened.network.head, opened.threshold)


@dataclass
class _Rescoring(Scoring):
    """What scores rows by a repaired file that is not written yet."""

    content: bytes = field(default=b"", repr=False)
    contract: Contract | None = None
    kind: Any = None

    def opened(self) -> Scoring:
        """Return this with the network open."""
        if self.network is None:
            archive = archive_of(self.content, Path(self.request.model), trust=self.request.trust)
            network = from_archive(archive, contract=self.contract, output_kind=self.kind)
            self.network = network.on(self.request.device)
        return self


def _cut_at(counted: Counted, threshold: float) -> Counted:
    """Return the same rows cut at another threshold that the histogram was told of."""
    scores = counted.tally.scores
    cut = np.array([counted.head.cut(threshold)], scores.high.dtype)
    tally = replace(counted.tally, counts=scores.counts_at(cut)[0])
    return replace(counted, tally=tally, threshold=threshold)


def open_sampled(request: Request, progress: Progress, *, fits: bool) -> SampledBench:
    """Open the network and the file, draw the sample, and divide it.

    Parameters
    ----------
    request : Request
    progress : Progress
    fits : bool
        See `Workbench.open`.

    Raises
    ------
    DebiasError
        With every problem that is at fault.
    """
    _refuse(request)
    request = replace(request, sample_rows=request.sample_rows or SAMPLE_ROWS)
    others = {role: source for role in ("train", "test") if (source := getattr(request, role)) is not None}
    streamed, *read = together(
        partial(open_streamed, request, progress),
        *(partial(read_table, source, role) for role, source in others.items()),
    )
    if streamed.opened.network.head.kind == "value":
        found = "the network predicts a number: its verdict is not counted a batch at a time"
        raise UsageError(Problem(found, "--sample-rows", "Give a table that fits into memory."))
    leave = request.test is None
    drawn = draw(
        streamed.stream,
        streamed.inputs,
        streamed.settled,
        request.sample_rows or SAMPLE_ROWS,
        request.seed,
        rows=streamed.batch_rows,
        leave=leave,
        progress=progress,
    )
    opened = _on_sample(streamed, drawn, dict(zip(others, read, strict=True)))
    parts = _parts(opened, streamed, drawn, fits=fits)
    rest = _without(streamed, drawn) if leave else streamed
    if leave:
        parts = replace(parts, verdict=rest.opened.data.sample, source=streamed.stream.name, gaps=streamed.settled.gaps)
    info = TableInfo(path=rest.stream.name, rows=rest.stream.rows, sha256=drawn.table.sha256)
    return SampledBench.over(opened, parts, streamed=rest, drawn=drawn.numbers, info=info, progress=progress)


def _on_sample(streamed: Streamed, drawn: Drawn, tables: Mapping[str, Table]) -> Opened:
    """Return the network with the rows of the sample, in the groups of the whole file."""
    opened = streamed.opened
    data = opened_with(opened.network, drawn.table, opened.request, like=opened.data)
    data = replace(data, notes=streamed.settled.notes)
    return replace(opened, data=data, tables={"data": drawn.table, **tables})


def _parts(opened: Opened, streamed: Streamed, drawn: Drawn, *, fits: bool) -> Parts:
    """Divide the sample; the rows of the whole file are told where the rest of it judges."""
    settled, request = streamed.settled, opened.request
    if request.test is None:
        opened = replace(opened, request=replace(request, holdout=0.0))
    parts = divide(opened, fits=fits)
    whole = drawn.info.of
    changes: dict[str, Any] = {
        "data": whole,
        "sample": drawn.info,
        "missing_attribute": {**parts.rows.missing_attribute, "data": settled.missing},
        "dropped": parts.rows.dropped - opened.data.dropped + settled.dropped,
    }
    if request.test is None:
        changes |= {
            "verdict": whole - drawn.info.rows,
            "verdict_from": "holdout",
            "kept_whole": [_told(drawn, place) for place, each in enumerate(drawn.info.strata) if each.rows == each.of],
        }
    rows: Rows = parts.rows.model_copy(update=changes)
    note = (
        "The rows that are not in the sample were counted a batch at a time: attribute swaps and figures by cluster "
        "were not measured on them."
    )
    return replace(parts, rows=rows, notes=(*parts.notes, *((note,) if request.test is None else ())))


def _told(drawn: Drawn, place: int) -> str:
    stratum = drawn.info.strata[place]
    groups = ", ".join(
        f"{name} {'missing' if group is None else show(group)}"
        for name, group in zip(drawn.info.by, stratum.groups, strict=True)
    )
    return f"{groups}, label {stratum.label}: {stratum.rows}"


def _without(streamed: Streamed, drawn: Drawn) -> Streamed:
    """Return the file without the rows of the sample."""
    settled = replace(streamed.settled, amounts=streamed.settled.amounts - drawn.sizes.reshape(-1, 2))
    name = f"{streamed.stream.name}, rows that are not in the sample"
    data = prepared_cells(settled, streamed.opened.request, name)
    own = {key: value for key, value in streamed.inputs.__dict__.items() if not key.startswith("_")}
    return replace(
        streamed,
        settled=settled,
        opened=replace(streamed.opened, data=data),
        inputs=RestInputs(**own, without=drawn.numbers),
    )


def _refuse(request: Request) -> None:
    """Refuse what a sample cannot give."""
    problems = []
    if not isinstance(request.data, str | Path):
        problems.append(Problem("only a file can be sampled", "--sample-rows", "Give a path."))
    if request.test is None and request.holdout != Request.__dataclass_fields__["holdout"].default:
        found = "all rows that are not in the sample judge the repair"
        problems.append(Problem(found, "--holdout", "Leave it out, or give the verdict's rows with --test."))
    if request.split_by is not None and request.test is None:
        found = "a sample does not keep clusters whole"
        problems.append(Problem(found, "--split-by", "Give the verdict's rows with --test."))
    if problems:
        raise UsageError(problems)
