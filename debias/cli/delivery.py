"""What a verb hands over once its work is done, and the checks of it before the work starts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from debias.cli.common import (
    Baseline,
    ExitZero,
    FleetReport,
    Force,
    Full,
    Json,
    JudgedReport,
    Quiet,
    Report,
    View,
    WriteBaseline,
)
from debias.cli.files import Asked, check_files
from debias.cli.github import SUMMARY, append_summary, in_actions, workflow_commands
from debias.cli.guard import complain, say, speak
from debias.cli.output import show
from debias.cli.records import CardOptions, TrackingOptions, check_card, check_tracker, track, write_card
from debias.cli.sources import repeatable
from debias.errors import Problem, together

if TYPE_CHECKING:
    from debias.report.findings.finding import Judged
    from debias.report.values.baseline import BaselineFile
    from debias.report.values.every import Value


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What is printed and written of a result."""

    report: Report = None
    force: Force = False
    json: Json = False
    quiet: Quiet = False
    full: Full = False


@dataclass(frozen=True, kw_only=True)
class GateOptions(ReportOptions, CardOptions, TrackingOptions):
    """What a result with a verdict can be turned into besides, and when it ends in exit code 0."""

    report: JudgedReport = None
    baseline: Baseline = None
    write_baseline: WriteBaseline = None
    exit_zero: ExitZero = False

    view: View = None


@dataclass(frozen=True, kw_only=True)
class FleetReportOptions(ReportOptions):
    """What a fleet can be turned into."""

    report: FleetReport = None


class Delivery:
    """What a verb hands over, in one order for all verbs.

    Parameters
    ----------
    options : ReportOptions
        What is asked.
    inputs : iterable of Path or None
        Files that are read, and never touched.
    written : sequence of (str, Path or None)
        Flags of the verb itself with the files that its work writes.

    Raises
    ------
    UsageError
        With every problem of every file that could not or must not be written.
    """

    def __init__(
        self, options: ReportOptions, *, inputs: Iterable[Path | None] = (), written: Sequence[Asked] = ()
    ) -> None:
        self.options = options
        self.reports = options.report or []
        self._gate = gate = options if isinstance(options, GateOptions) else None
        fleet = isinstance(options, FleetReportOptions)
        files = [*(("--report", path) for path in self.reports), *written]
        kept = list(inputs)
        if gate is not None:
            files += [("--write-baseline", gate.write_baseline), ("--card", gate.card)]
            if gate.baseline is not None and not _same(gate.baseline, gate.write_baseline):
                kept.append(gate.baseline)
        self._tracked = options if isinstance(options, TrackingOptions) else TrackingOptions()
        _, self._known, *_ = together(
            partial(check_files, files, kept, options.force, judged=gate is not None or fleet, tabular=fleet),
            partial(_baseline, gate),
            partial(check_card, gate or CardOptions()),
            partial(check_tracker, self._tracked),
        )

    def hand_over(self, value: Value) -> int:
        """Write all that is asked of a result, print it, and only then return the exit code."""
        value = repeatable(value)
        before = value
        if self._gate is not None:
            value = self._settled(cast("Judged", value), self._gate)
        self._write_reports(value)
        written = list(self.reports)
        if self._gate is not None:
            card = write_card(value, self._gate, self.options.force)
            written += [] if card is None else [card]
            self._write_baseline(cast("Judged", before), self._gate)
        self._tell_github(value)
        show(value, json=self.options.json, quiet=self.options.quiet, full=self.options.full)
        if self._gate is not None:
            self._tell_gate(cast("Judged", value))
        track(value, self._tracked, written)
        return int(value.exit_code)

    def _settled(self, value: Judged, gate: GateOptions) -> Judged:
        """Return the value with what is accepted of it."""
        from debias.report.findings.accepting import accept, exit_zero

        if self._known is not None:
            known, digest = self._known
            value = accept(value, known, str(gate.baseline), digest)
        return exit_zero(value) if gate.exit_zero else value

    def _write_baseline(self, value: Judged, gate: GateOptions) -> None:
        if gate.write_baseline is None:
            return
        from debias.files import write_atomic
        from debias.report.as_json import to_json
        from debias.report.findings.accepting import to_baseline

        told = to_json(to_baseline(value, self._known[0] if self._known is not None else None))
        write_atomic(gate.write_baseline, told.encode(), force=self.options.force)

    def _tell_github(self, value: Value) -> None:
        problem = append_summary(value)
        if problem is not None:
            remedy = "The run goes on; the exit code does not depend on it."
            complain("warning", Problem(problem, SUMMARY, remedy))

    def _tell_gate(self, value: Judged) -> None:
        """Say what only the one who runs this has to know: annotations, and the reason of a changed exit code."""
        if in_actions():
            speak(workflow_commands(value))
        if self.options.quiet:
            from debias.report.findings.accepting import exit_reason
            from debias.report.text import visible

            reason = exit_reason(value)
            if reason is not None:
                say(f"{visible(reason)}\n")

    def _write_reports(self, value: Value) -> None:
        from debias.files import write_atomic
        from debias.report.writers import render

        for path in self.reports:
            write_atomic(path, render(value, path), force=self.options.force)


def _baseline(gate: GateOptions | None) -> tuple[BaselineFile, str] | None:
    """Return what --baseline holds, with its hash; None without one."""
    if gate is None or gate.baseline is None:
        return None
    from debias.report.findings.accepting import read_baseline

    return read_baseline(gate.baseline)


def _same(one: Path, other: Path | None) -> bool:
    return other is not None and os.path.realpath(one) == os.path.realpath(other)
