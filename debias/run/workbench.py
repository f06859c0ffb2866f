"""A repair in stages: open and divide once, attempt by any method, finish with the chosen attempt."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from debias.data.sample import Sample, joined
from debias.errors import Problem, UsageError, together
from debias.files import check_output
from debias.methods.base import Method, Progress, Repair, Setting, silent
from debias.methods.threshold import Threshold
from debias.model.effects import editable, fixed, has_fixed_head
from debias.model.head import sigmoid
from debias.model.network import Network
from debias.objective import Objective
from debias.report.values.figures import Figures
from debias.report.values.report import TableInfo
from debias.run import evidence
from debias.run.deciding import deployed
from debias.run.effects import by_cluster
from debias.run.figures import Measured, probability
from debias.run.opening import Opened, open_request
from debias.run.provenance import table_info
from debias.run.request import Request
from debias.run.rows import Parts, divide
from debias.run.statements import holds
from debias.run.swapping import swapped
from debias.run.verdict import Ruling
from debias.run.writing import Repaired


@dataclass(frozen=True, eq=False)
class Attempt:
    """What one method reached; can be sent to another process, which then writes the file again from the repair.

    Parameters
    ----------
    method : Method
        With its settings.
    repair : Repair
        What the method returned.
    selection, verdict : Figures
        The repaired file's own decisions, counted on the selection and on the verdict rows.
    ruling : Ruling
        The verdict.
    decisions : ndarray of bool, shape [N]
        The file's decisions on the selection rows.
    disagreements : int or None
        Verdict rows where argmax and score disagree.
    uses_attribute : bool
        The repaired file needs the attribute at prediction.
    seconds : float
        Of the method, wall clock.
    fixed_cut : float or None
        Where the fixed-effects score of a mixed-effects network is cut, logit scale.
    """

    method: Method
    repair: Repair
    selection: Figures
    verdict: Figures
    ruling: Ruling
    decisions: npt.NDArray[np.bool_]
    disagreements: int | None
    uses_attribute: bool
    seconds: float
    fixed_cut: float | None = None
    written: Repaired | None = field(default=None, repr=False)

    @property
    def unchanged(self) -> bool:
        """True where the method tried candidates and kept the unchanged network."""
        return self.repair.chosen == 0 and len(self.repair.trajectory) > 1

    def __getstate__(self) -> dict[str, Any]:
        # The file is as large as the network and can be made again.
        return {**self.__dict__, "written": None}


@dataclass(frozen=True, eq=False)
class Judged:
    """What a repaired file decides on the verdict rows, as in `Attempt`."""

    figures: Figures
    ruling: Ruling
    disagreements: int | None


@dataclass(frozen=True, eq=False)
class Workbench:
    """An opened network with divided rows and a bound objective.

    Parameters
    ----------
    opened : Opened
        Network and tables.
    objective : Objective
        As the tables' favourable side and the deployed threshold have it.
    parts : Parts
        The rows by what they are for.
    on_select, on_verdict : Measured
        The rows that choose and those that decide.
    setting : Setting
        What every method is given.
    """

    opened: Opened
    objective: Objective
    parts: Parts
    on_select: Measured
    on_verdict: Measured
    setting: Setting

    @classmethod
    def open(cls, request: Request, *, fits: bool = False) -> Self:
        """Open the network and the tables, and divide the rows.

        Parameters
        ----------
        request : Request
            What is asked.
        fits : bool
            A method that fits weights to rows takes part (`Method.fits`).

        Raises
        ------
        DebiasError
            With every problem of the input that is at fault.
        """
        opened = open_request(request)
        return cls.over(opened, divide(opened, fits=fits))

    @classmethod
    def over(cls, opened: Opened, parts: Parts, **more: Any) -> Self:
        """Return the workbench of rows that are divided; `more` are the fields that it has beside these.

        Raises
        ------
        DebiasError
            With every problem of the rows that is at fault.
        """
        request = opened.request
        objective = replace(
            request.objective,
            favorable=opened.data.favorable,
            deployed=opened.threshold,
            verdict_ratio=_verdict_ratio(parts, parts.select),
        )
        on_select, on_verdict, _ = together(
            partial(Measured.on, parts.select, objective),
            partial(Measured.on, parts.verdict, objective, lenient=objective.confidence is not None),
            partial(objective.on, parts.train),
        )
        for rows in {id(part): part for part in (parts.select, parts.train)}.values():
            opened.network.logits(rows)  # names the rows that get no score
        select, objective = _pooled_with(opened, parts, objective)
        network = editable(opened.network, request.edit, len(parts.train))
        setting = Setting(network, parts.train, select, objective, request.seed, request.device)
        return cls(opened, objective, parts, on_select, on_verdict, setting, **more)

    @property
    def pooled(self) -> bool:
        """True where the rows for gradients count for the bias of a candidate."""
        return self.setting.select is not self.parts.select

    def reasons(self, method: Method) -> list[Problem]:
        """Return why a method cannot work here; nothing where it can."""
        network, request = self.opened.network, self.opened.request
        unwritable = [
            replace(problem, where=str(request.model)) for problem in unfit(network, method, request.keep_scores)
        ]
        return [*unwritable, *method.reasons(network), *method.unsuited(self.objective)]

    def attempt(self, method: Method, progress: Progress = silent) -> Attempt:
        """Run a method, write its file in memory, read it back, and count what it decides."""
        start = time.perf_counter()
        repair = method.repair(replace(self.setting, progress=progress))
        seconds = time.perf_counter() - start
        fixed_cut = self._fixed_cut(repair)
        written = Repaired(self.opened, repair, self.opened.request, fixed_cut)
        chosen = written.counted(self.on_select)
        held = repair.point.feasible and holds(chosen.figures, self.objective)
        judged = self.judged(written, held=held)
        return Attempt(
            method=method,
            repair=repair,
            selection=chosen.figures,
            verdict=judged.figures,
            ruling=judged.ruling,
            decisions=chosen.decisions,
            disagreements=judged.disagreements,
            uses_attribute=self.opened.attribute_is_input or repair.uses_attribute,
            seconds=seconds,
            fixed_cut=fixed_cut,
            written=written,
        )

    def judged(self, written: Repaired, *, held: bool) -> Judged:
        """Return what the repaired file decides on the verdict rows; `held` is False where it failed its selection."""
        after = written.counted(self.on_verdict)
        ruling = after.ruling(self.on_verdict, held=held, fresh=not self.parts.optimistic)
        return Judged(after.figures, ruling, after.disagreements)

    def evidence(self, attempt: Attempt, written: Repaired) -> dict[str, Any]:
        """Return what a reader of the report looks at beyond the figures, by the report's entry."""
        return {
            "effects_before": by_cluster(self.opened, self.on_verdict),
            "effects": by_cluster(written.reread, written.with_groups(self.on_verdict)),
            **evidence.of_repair(self, attempt, written),
        }

    @property
    def tables(self) -> dict[str, TableInfo]:
        """The tables that took part, by role."""
        return {role: table_info(table) for role, table in self.opened.tables.items()}

    def _fixed_cut(self, repair: Repair) -> float | None:
        """Return where the fixed-effects score of a mixed-effects network is best cut, by the same objective."""
        network, select = self.opened.network, self.parts.select
        if not has_fixed_head(network) or network.head.kind == "value" or repair.rule is not None:
            return None
        return self.on_select.scorer.select(network.logits(fixed(select), repair.state)).cut

    def file_of(self, attempt: Attempt) -> Repaired:
        """Return the repaired file of an attempt, made again where the attempt came from another process."""
        return attempt.written or Repaired(self.opened, attempt.repair, self.opened.request, attempt.fixed_cut)

    def unchanged(self, plainest: Repair | None) -> dict[str, tuple[Figures, Figures]]:
        """Return the unchanged network as deployed, at its best and at its best feasible threshold.

        Parameters
        ----------
        plainest : Repair or None
            What the method `threshold` returns; None of a regression, whose output is not cut.

        Returns
        -------
        dict of str to (Figures, Figures)
            ``before``, and of a classification ``best_threshold`` and ``threshold_only``, on the verdict and on the
            selection rows.
        """
        cuts = {}
        if plainest is not None:
            best = self.on_select.scorer.sweep(self.opened.network.logits(self.parts.select)).best()
            cuts = {"best_threshold": 0.0 if best is None else best.cut, "threshold_only": plainest.point.cut}
        judged, chosen = self.unchanged_on_verdict(cuts), self._unchanged_on(self.on_select, cuts)
        return {name: (judged[name], chosen[name]) for name in judged}

    def unchanged_on_verdict(self, cuts: Mapping[str, float]) -> dict[str, Figures]:
        """Return the unchanged network on the verdict rows: as deployed (``before``), and cut at these logits."""
        return self._unchanged_on(self.on_verdict, cuts)

    def _unchanged_on(self, measured: Measured, cuts: Mapping[str, float]) -> dict[str, Figures]:
        network = self.opened.network
        logits, output = network.logits(measured.sample), network.outputs(measured.sample)
        probabilities = network.head.probabilities(output).double().numpy()
        swaps = swapped(self.opened, measured.sample, probabilities)
        found = {"before": deployed(self.opened, measured, output, swaps).figures}
        for name, cut in cuts.items():
            found[name] = measured.figures(
                logits > cut, probability(cut), scores=logits, probabilities=probabilities, swaps=swaps
            )
        return found

    def plainest(self) -> Repair | None:
        """Return what the best common threshold alone reaches, the yardstick of every method; None of a regression."""
        if self.objective.task == "regression":
            return None
        return Threshold().repair(self.setting)


def output_path(request: Request) -> Path:
    """Return where the model goes; refuse before any work what could not be written after it."""
    out = named_output(request)
    given = (request.model, request.data, request.train, request.test, request.contract)
    check_output(out, inputs=[file for file in given if isinstance(file, str | Path)], force=request.force)
    return out


def named_output(request: Request) -> Path:
    """Return the file that the model is to have: as named, else beside its input with the verb in its name."""
    model = Path(request.model)
    return model.with_name(f"{model.stem}.{request.verb}{model.suffix}") if request.out is None else Path(request.out)


def unfit(network: Network, method: type[Method] | Method, keep_scores: bool = False) -> list[Problem]:
    """Return why a method's repair could not be written into a network's file; nothing where it could."""
    if any(item.codes and item.role == "group" for item in network.inputs):
        return [
            Problem("the file already decides by a rule of an earlier repair", "", "Start from the file before it.")
        ]
    if network.head.kind != "value" and method.folds and not keep_scores and not network.head.foldable:
        return [
            Problem(
                f"the threshold cannot be folded into the model: {network.head.reason}",
                "",
                "Use --keep-scores, which leaves the scores as they come and only records the threshold.",
            )
        ]
    return []


def _pooled_with(opened: Opened, parts: Parts, objective: Objective) -> tuple[Sample, Objective]:
    """Return the rows that candidates are judged on: pooled, the training rows count for the bias too."""
    asked = opened.request.pool
    if asked and parts.train is parts.select:
        told = "there are no rows for gradients apart from those that choose, so there is nothing to pool"
        raise UsageError(Problem(told, "--pool", "Give them with --train."))
    # A few rows of --data that a method has just fitted say too little of others; a table of training rows does.
    if not (opened.request.train is not None if asked is None else asked):
        return parts.select, objective
    own = None if objective.task == "regression" else sigmoid(opened.network.logits(parts.train))
    select = joined(parts.select, parts.train, own)
    return select, replace(objective, verdict_ratio=_verdict_ratio(parts, select))


def _verdict_ratio(parts: Parts, select: Sample) -> float:
    """Return the verdict rows for each row that chooses; of a streamed table those of the file, see `Parts`."""
    return parts.rows.verdict / len(select)
