"""Compare: several methods under one objective, on the same rows with the same seed; the best is written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from debias import jobs
from debias.errors import DebiasError, ModelError, UsageError, together
from debias.experiments.compare.choosing import Entry, Ground, choose, front, paired
from debias.experiments.compare.contestants import Settings, contestants, flags
from debias.jobs import Job, JobError, Outcome
from debias.methods.base import Method, Progress
from debias.report.values.comparison import Candidate, Comparison, FrontPoint
from debias.run.repairing import finish
from debias.run.request import DEFAULT_FIT_SHARE, Request
from debias.run.workbench import Attempt, Workbench, output_path

if TYPE_CHECKING:
    from typing import Unpack

    from debias.run.verbs import Attr, Repairing, Source

# What is loaded once for all workers, while this process reads the files; pandas would start a thread, which a fork
# does not copy.
PRELOAD = ("debias.experiments.compare", "torch._export.converter", "scipy.optimize")
# The methods that take longest start first, so that none of them runs alone at the end.
LONGEST_FIRST = ("finetune", "adversarial", "layerwise", "gda", "prune", "perturb")


def compare(
    model: str | Path,
    data: Source,
    *,
    attr: Attr,
    eps: float | None = None,
    methods: Sequence[str | Method] | None = None,
    settings: Settings | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    **options: Unpack[Repairing],
) -> Comparison:
    """Run several methods of repair under one objective and write the file of the best.

    All have the same rows and the same seed, and the result does not depend on the number of workers. The best is
    chosen on the selection rows alone (`debias.experiments.compare.choosing.choose`); one that needs the protected
    attribute at prediction has to be more than one paired standard error better than the best that does not.

    Parameters
    ----------
    model : path
        TorchScript .pt or torch.export .pt2 file; never changed.
    data : path or DataFrame
        Validation rows.
    attr : str or sequence of str
        Protected attributes.
    eps : float
        The bound on \\|bias\\|.
    methods : sequence of str or Method, optional
        Names such as ``"prune"``, or methods with settings of their own. Default: all. ``threshold`` always takes part.
    settings : mapping of str to mapping, optional
        Settings by method: ``{"gda": {"lr": 0.001}}``.
    workers : int, optional
        Processes at a time. Default: the cores, at most one a method.
    timeout : float, optional
        Seconds after which a method is ended; it is then a row without figures.
    **options
        Those of `debias.repair`; without `out` the file is MODEL.compare.pt.

    Returns
    -------
    Comparison
        `exit_code` is that of the winner's verdict. A method that cannot work here is a candidate with its reasons.

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault, or of every method where none returned a repair; nothing is
        written then.
    """
    start = time.perf_counter()
    progress = cast(Any, options).pop("progress", None)
    given: dict[str, Any] = {"verb": "compare", "model": model, "data": data, "attr": attr, "eps": eps, **options}
    chosen, request, _ = together(
        partial(contestants, methods, settings), partial(Request, **given), partial(_check_numbers, workers, timeout)
    )
    out = output_path(request)
    workers = min(workers or jobs.cores(), len(chosen))
    backend = jobs.backend_for(workers, len(chosen), timeout=timeout, preload=PRELOAD)
    if isinstance(backend, jobs.Processes):
        backend.warm()
    with jobs.one_thread():
        found = _compared(request, chosen, out, backend, progress)
    return found.model_copy(update={"seconds": time.perf_counter() - start})


def _compared(
    request: Request, chosen: Sequence[Method], out: Path, backend: jobs.Backend, progress: Progress | None
) -> Comparison:
    """Open, run all methods, choose, and write the winner's file."""
    bench = Workbench.open(_divided(request, chosen))
    outcomes = _run(bench, chosen, backend, progress)
    attempts = [outcome.value for outcome in outcomes if outcome.value is not None]
    if not attempts:
        raise _none_left(outcomes)
    ground = _ground(bench)
    entries = [_entry(attempt) for attempt in attempts]
    choice = choose(entries, ground)
    winner = attempts[choice.index]
    behind = {entry.name: paired(entries[choice.index], entry, ground) for entry in entries}
    report = finish(_as_verb(bench, winner.method, out), winner, out)
    return Comparison(
        debias_version=report.debias_version,
        verdict=report.verdict,
        exit_code=report.exit_code,
        statement=f"{report.statement} {winner.method.name} was chosen of {len(chosen)} methods.",
        winner=winner.method.name,
        attribute_is_input=bench.opened.attribute_is_input,
        reason=choice.reason,
        candidates=[
            _candidate(bench, method, outcome).model_copy(
                update={"winner": True} if outcome.value is winner else {"behind": behind.get(method.name)}
            )
            for method, outcome in zip(chosen, outcomes, strict=True)
        ],
        front=front(point for attempt in attempts for point in _points(attempt)),
        report=report,
        seconds=0.0,
        command=request.command(flags(chosen)),
    )


def _divided(request: Request, chosen: Sequence[Method]) -> Request:
    """Return the request with the same rows for all methods, whether they fit weights to rows or not."""
    if request.train is not None or request.fit_share is not None or not any(method.fits for method in chosen):
        return request
    return replace(request, fit_share=DEFAULT_FIT_SHARE)


def _check_numbers(workers: int | None, timeout: float | None) -> None:
    problems = [*jobs.workers_problems(workers, "processes"), *jobs.timeout_problems(timeout)]
    if problems:
        raise UsageError(problems)


def _run(
    bench: Workbench, chosen: Sequence[Method], backend: jobs.Backend, progress: Progress | None
) -> list[Outcome[Attempt]]:
    """Return what became of each method, in the order of `chosen`."""
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    order = sorted(range(len(chosen)), key=lambda index: place.get(chosen[index].name, len(place)))
    work = [Job(chosen[index].name, partial(_attempt, chosen[index])) for index in order]
    setup = partial(Workbench.open, bench.opened.request)
    if isinstance(backend, jobs.Serial):
        setup = partial(_given, bench)  # this process has opened all already
    outcomes = jobs.map(work, setup=setup, backend=backend, progress=progress)
    by_index = dict(zip(order, outcomes, strict=True))
    return [by_index[index] for index in range(len(chosen))]


def _given(bench: Workbench) -> Workbench:
    return bench


def _attempt(method: Method, bench: Workbench, progress: Progress) -> Attempt:
    if reasons := bench.reasons(method):
        raise ModelError(reasons)
    return bench.attempt(method, progress)


def _none_left(outcomes: Sequence[Outcome[Attempt]]) -> DebiasError:
    """Return the error that tells why no method returned a repair."""
    told = {
        problem if problem.where == outcome.name else replace(problem, where=f"{outcome.name}: {problem.where}")
        for outcome in outcomes
        if outcome.error is not None
        for problem in outcome.error.problems
    }
    return ModelError(sorted(told, key=lambda problem: problem.where))


def _ground(bench: Workbench) -> Ground:
    scorer, objective, sample = bench.on_select.scorer, bench.objective, bench.parts.select
    return Ground(sample.y == 1, scorer.weight, objective.performance, objective.min_performance, scorer.truth)


def _entry(attempt: Attempt) -> Entry:
    return Entry(attempt.method.name, attempt.repair.point, attempt.decisions, attempt.repair.uses_attribute)


def _as_verb(bench: Workbench, method: Method, out: Path) -> Workbench:
    """Return the workbench as the method's own verb has it, so that the winner's report is that of its verb."""
    opened = bench.opened
    return replace(bench, opened=replace(opened, request=replace(opened.request, verb=method.name, out=out)))


def _candidate(bench: Workbench, method: Method, outcome: Outcome[Attempt]) -> Candidate:
    settings, attempt = asdict(cast(Any, method)), outcome.value
    if attempt is None:
        assert outcome.error is not None
        return Candidate(
            method=method.name,
            settings=settings,
            status="failed" if isinstance(outcome.error, JobError) else "impossible",
            reasons=[f"{problem.found}. {problem.remedy}".strip() for problem in outcome.error.problems],
            seconds=outcome.seconds,
        )
    repair = attempt.repair
    return Candidate(
        method=method.name,
        settings=settings,
        status="ok",
        uses_attribute=repair.uses_attribute,
        summary=_summary(bench, attempt),
        chosen_step=repair.chosen,
        steps=len(repair.trajectory) - 1,
        feasible=repair.point.feasible,
        merit=repair.point.merit,
        selection=attempt.selection,
        after=attempt.verdict,
        verdict=attempt.ruling.verdict,
        seconds=attempt.seconds,
    )


def _summary(bench: Workbench, attempt: Attempt) -> str:
    if attempt.unchanged:
        return "No weight was changed."
    return attempt.method.summary(attempt.repair, bench.opened.network)


def _points(attempt: Attempt) -> Iterator[FrontPoint]:
    """Yield the operating point that was returned, then each step at its cut of best performance."""
    measure = "balanced_accuracy" if attempt.selection.r2 is None else "r2"
    repair, name = attempt.repair, attempt.method.name
    point = repair.point
    measured = [(repair.chosen, True, point.quality, point.bias)]
    measured += [(step.step, False, step.quality, step.bias) for step in repair.trajectory]
    for step, chosen, quality, bias in measured:
        if isfinite(quality) and isfinite(bias):
            told: dict[str, Any] = {measure: quality}
            yield FrontPoint(method=name, step=step, chosen=chosen, bias=bias, overall=False, **told)
