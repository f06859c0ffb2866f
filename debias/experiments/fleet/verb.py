"""A run over many models: what is known is taken, the rest is done, and all of it becomes one summary."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import debias
from debias import jobs
from debias.errors import Problem, UsageError, together
from debias.experiments.fleet.cache import Cache, default_folder
from debias.experiments.fleet.document import Document
from debias.experiments.fleet.folder import Folder, output_of
from debias.experiments.fleet.keys import Digests, Keyed, keyed
from debias.experiments.fleet.manifest import tasks_of
from debias.experiments.fleet.results import KEPT, again, answered, failed, refused
from debias.experiments.fleet.sizes import bytes_of
from debias.experiments.fleet.summing import counts_of, gravest, job_rows, rows_of, statement_of
from debias.experiments.fleet.task import Task
from debias.experiments.fleet.work import Work, carry_out, preload
from debias.jobs import Outcome
from debias.report.values.fleet import Fleet, FleetRow, JobResult
from debias.run.commands import flag_parts, operand

Progress = Callable[[int, int, str], None]
"""Called with (jobs done, jobs in all, what came of them)."""

TIMEOUT, MEMORY = 600.0, "4GiB"
"""Limits of a job where none are told."""

SUMMARIES = (".json", ".csv", ".parquet", ".html")
"""Formats of the summary in the folder of the results."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; what was done until then is kept.

    Parameters
    ----------
    fleet : Fleet
        The jobs, those that were not done as ``stopped``.
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        self.fleet = fleet


def fleet(
    manifest: str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Document,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    timeout: float | None = TIMEOUT,
    memory: str | int | None = MEMORY,
    cpu_seconds: float | None = None,
    sandbox: bool = True,
    trust: bool = False,
    cache: str | Path | Literal[False] | None = None,
    progress: Progress | None = None,
) -> Fleet:
    """Audit or repair many models, each in a process of its own.

    A job that is refused, crashes, hangs or takes too much is a row that says so; the others go on.

    Parameters
    ----------
    manifest : path, mapping, or sequence of mappings
        YAML or TOML file with `jobs` and perhaps `defaults`; or what it would hold; or its jobs alone.
    out : path, optional
        Folder of the results, which one run has at a time: ``jobs/NAME.json``, ``models/NAME.pt`` and ``summary`` in
        four formats. Without it none are kept, and no model can be repaired.
    resume : bool
        Keep the results in `out` whose model, tables, contract, settings and versions are the same.
    force : bool
        Replace the results in `out`, but for those that `resume` keeps.
    workers : int, optional
        Jobs at a time; no result depends on it. Default: the cores.
    ray : str, optional
        Do the jobs on Ray: ``HOST:PORT`` of a cluster, ``local`` or ``auto``.
    timeout : float, optional
        Seconds after which a job is ended; None is no limit.
    memory : str or int, optional
        Memory of a job, as ``2GiB`` or in bytes; None is no limit.
    cpu_seconds : float, optional
        Processor time of a job. Default: no limit.
    sandbox : bool
        A job may change no file, reach no network and start no program, where the platform can hold it to that.
    trust : bool
        Load files too that the checks before loading refuse.
    cache : path or False, optional
        Folder of results by their key, False for none. Default: ``fleet`` below ``DEBIAS_CACHE``, else below the
        user's folder for caches.
    progress : callable, optional
        Receives (jobs done, jobs in all, what came of them).

    Returns
    -------
    Fleet
        `exit_code` is the gravest of all: 2 (no report) over 1 (bound missed) over 3 (open) over 0.

    Raises
    ------
    DebiasError
        With every problem of the manifest and the arguments, or where results cannot be written.
    Interrupted
        A KeyboardInterrupt with the summary so far.
    """
    start = time.monotonic()
    limits, tasks, _ = together(
        partial(_limits, memory, cpu_seconds, sandbox),
        partial(tasks_of, manifest),
        partial(_check, workers, timeout),
    )
    _check_tasks(tasks, out, sandbox)
    run = _Run(
        tasks=tasks,
        limits=limits,
        workers=workers,
        timeout=timeout,
        ray=ray,
        trust=trust,
        cache=None if cache is False else Cache(Path(cache) if cache is not None else default_folder()),
        progress=progress or _silent,
    )
    with contextlib.ExitStack() as stack:
        if out is not None:
            run.folder = stack.enter_context(Folder.opened(Path(out), resume=resume, force=force))
            if force and not resume:
                run.folder.clear()
        interrupted = False
        try:
            run.carry_out(resume=resume)
        except KeyboardInterrupt:
            interrupted = True
        value = run.summary(
            manifest=os.fspath(manifest) if isinstance(manifest, str | os.PathLike) else None,
            seconds=time.monotonic() - start,
            interrupted=interrupted,
        )
        _write_summary(run.folder, value)
    if interrupted:
        raise Interrupted(value)
    return value


@dataclass
class _Run:
    """The jobs of a run and what became of them so far."""

    tasks: Sequence[Task]
    limits: jobs.Limits
    workers: int | None
    timeout: float | None
    ray: str | None
    trust: bool
    cache: Cache | None
    progress: Progress
    folder: Folder | None = None
    rows: dict[int, list[FleetRow]] = field(default_factory=dict)

    def carry_out(self, *, resume: bool) -> None:
        """Take what is known, and do the rest."""
        from debias.run.provenance import versions

        digests = Digests()
        surroundings = {"versions": versions(), "trust": self.trust, "sandbox": self.limits.sandbox}
        backend: jobs.Backend | None = None
        todo: dict[str, list[tuple[int, Keyed]]] = {}
        for index, task in enumerate(self.tasks):
            one = keyed(task, digests, surroundings)
            if one.key is None:
                self._keep(index, refused(one, one.problems))
            elif one.key in todo:
                todo[one.key].append((index, one))
            elif not (resume and self._resumed(index, one)) and not self._cached(index, one):
                todo[one.key] = [(index, one)]
                if backend is None:
                    backend = self._backend()
        if backend is not None:
            self._work(list(todo.values()), backend)

    def _backend(self) -> jobs.Backend:
        backend = jobs.backend_for(
            self.workers or jobs.cores(),
            len(self.tasks),
            timeout=self.timeout,
            preload=preload(self.tasks),
            ray=self.ray,
            limits=self.limits,
            fresh=True,
        )
        if isinstance(backend, jobs.Processes):
            backend.warm()
        return backend

    def _work(self, todo: list[list[tuple[int, Keyed]]], backend: jobs.Backend) -> None:
        """Do one job for each key; all tasks of the key get its result."""
        work = [jobs.Job(same[0][1].task.name, partial(carry_out, self._told(same[0][1].task))) for same in todo]
        with backend.run(work, None, _unheard) as outcomes:
            # Not `jobs.map`, which keeps every answer until the end.
            for number, outcome in outcomes:
                self._take(todo[number], outcome)

    def _told(self, task: Task) -> Work:
        out = None
        if task.repairs and self.folder is not None:
            out = str(self.folder.path / output_of(task.name, task.model))
        return Work(task, os.getcwd(), self.trust, out)  # noqa: PTH109 - as text

    def _take(self, same: Sequence[tuple[int, Keyed]], outcome: Outcome[Sequence[bytes]]) -> None:
        index, one = same[0]
        content: bytes | None = None
        if outcome.error is not None or outcome.value is None:
            error = outcome.error or jobs.JobError("it ended without an answer", "crash")
            result = failed(one, error, outcome.seconds)
        else:
            answer = [outcome.value] if isinstance(outcome.value, bytes) else list(outcome.value)
            result = answered(one, answer, outcome.seconds, output_of(one.task.name, one.task.model))
            content = answer[1] if result.output is not None else None
        self._keep(index, result, content)
        if self.cache is not None:
            self.cache.put(result, content)
        for index, other in same[1:]:
            self._keep(index, again(result, other, "same", self._output(other)), content)

    def _resumed(self, index: int, one: Keyed) -> bool:
        """Take the result of an earlier run where its key is the same and it depends on nothing else."""
        assert self.folder is not None
        result = self.folder.read(one.task.name)
        if result is None or result.key != one.key or result.status not in KEPT:
            return False
        self._settle(index, result.model_copy(update={"reused": "resumed"}))
        return True

    def _cached(self, index: int, one: Keyed) -> bool:
        found = self.cache.get(one.key) if self.cache is not None and one.key is not None else None
        if found is None:
            return False
        self._keep(index, again(found[0], one, "cached", self._output(one)), found[1])
        return True

    def _output(self, one: Keyed) -> str:
        return output_of(one.task.name, one.task.model)

    def _keep(self, index: int, result: JobResult, content: bytes | None = None) -> None:
        """Write a result; its model goes first, so that a result with a model has it."""
        if self.folder is not None:
            if result.output is not None and content is not None:
                self.folder.write_model(result.output, content)
            self.folder.write(result)
        self._settle(index, result)

    def _settle(self, index: int, result: JobResult) -> None:
        self.rows[index] = rows_of(result)
        without = sum(1 for rows in self.rows.values() if rows[0].verdict is None)
        told = f", {without:,} without a report" if without else ""
        self.progress(len(self.rows), len(self.tasks), f"{result.name}{told}")

    def summary(self, *, manifest: str | None, seconds: float, interrupted: bool) -> Fleet:
        """Return all rows in the order of the manifest; a job that was not done is ``stopped``."""
        from debias.run.provenance import now, versions

        rows: list[FleetRow] = []
        for index, task in enumerate(self.tasks):
            rows += self.rows.get(index) or rows_of(_stopped(task))
        each = job_rows(rows)
        counts = counts_of(each)
        return Fleet(
            debias_version=debias.__version__,
            created=now(),
            exit_code=gravest(row.exit_code for row in each),
            statement=statement_of(counts),
            manifest=manifest,
            folder="" if self.folder is None else str(self.folder.path),
            counts=counts,
            reused=sum(row.reused is not None for row in each),
            rows=rows,
            isolation=jobs.isolation(self.limits),
            workers=self.workers or jobs.cores(),
            backend="processes" if self.ray is None else "ray",
            seconds=seconds,
            interrupted=interrupted,
            command=None if manifest is None else self._command(manifest),
            versions=versions(),
        )

    def _command(self, manifest: str) -> str:
        """Return the command that does all of it anew."""
        given = {
            "out": None if self.folder is None else str(self.folder.path),
            "workers": self.workers,
            "ray": self.ray,
            "timeout": "none" if self.timeout is None else None if self.timeout == TIMEOUT else f"{self.timeout:g}",
            "memory": "none"
            if self.limits.memory is None
            else None
            if self.limits.memory == bytes_of(MEMORY)
            else self.limits.memory,
            "cpu_seconds": self.limits.cpu,
            "trust": self.trust,
        }
        parts = [part for name, value in given.items() for part in flag_parts(name, value)]
        sandbox = [] if self.limits.sandbox else ["--no-sandbox"]
        known = [] if self.cache is not None else ["--no-cache"]
        return shlex.join(["debias", "fleet", operand(manifest), *parts, *sandbox, *known, "--force"])


def _stopped(task: Task) -> JobResult:
    return refused(Keyed(task, None), [Problem("the run ended before it", remedy="Go on with --resume.")], "stopped")


def _write_summary(folder: Folder | None, value: Fleet) -> None:
    if folder is None:
        return
    from debias.report.writers import render

    for ending in SUMMARIES:
        folder.write_summary(ending, render(value, Path(f"summary{ending}")))


def _limits(memory: str | int | None, cpu_seconds: float | None, sandbox: bool) -> jobs.Limits:
    return jobs.Limits(memory=None if memory is None else bytes_of(memory), cpu=cpu_seconds, sandbox=sandbox)


def _check(workers: int | None, timeout: float | None) -> None:
    problems = [*jobs.workers_problems(workers, "jobs"), *jobs.timeout_problems(timeout)]
    if problems:
        raise UsageError(problems)


def _check_tasks(tasks: Sequence[Task], out: str | Path | None, sandbox: bool) -> None:
    """Refuse what no job could do."""
    problems = []
    for task in tasks:
        if task.repairs and out is None:
            problems.append(Problem("a repaired model has to be written somewhere", task.place, "Name a folder (out)."))
        device = task.settings.get("device")
        if sandbox and device not in (None, "cpu"):
            found = f"the device {str(device)[:60]!r} cannot be opened in the sandbox"
            problems.append(Problem(found, task.place, "Leave device out, or give --no-sandbox."))
    if problems:
        raise UsageError(dict.fromkeys(problems))


def _unheard(index: int, done: int, total: int, text: str) -> None:
    del index, done, total, text


def _silent(done: int, total: int, text: str) -> None:
    del done, total, text
