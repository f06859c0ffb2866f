"""The jobs of a cross-validation: run what is not kept yet, and read what is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from debias import jobs
from debias.errors import DebiasError, ModelError, Problem
from debias.experiments.crossval.folds import FoldResult, keep, kept, unpacked
from debias.experiments.crossval.jobs import Bench, Protocol, work
from debias.experiments.variants import Variant
from debias.jobs import Job, Outcome, Progress


@dataclass
class Run:
    """The jobs of all variants and folds, and what became of them; predictions stay in files until they are read."""

    bench: Bench
    variants: tuple[Variant, ...]
    folds: tuple[int, ...]
    folder: Path
    failed: dict[tuple[str, int], DebiasError] = field(default_factory=dict)
    resumed: set[tuple[str, int]] = field(default_factory=set)

    def train(self, backend_for: Callable[[int], jobs.Backend], progress: Progress | None) -> None:
        """Run what is not kept yet.

        Raises
        ------
        DebiasError
            Where a variant has no fold at all.
        """
        # By folds first: an interrupted run then has as many whole folds of all variants as possible.
        each = [(variant, fold) for fold in self.folds for variant in self.variants]
        self.resumed = {(v.name, fold) for v, fold in each if kept(self.path(v, fold), self.bench.digest(v, fold))}
        left = [(v, fold) for v, fold in each if (v.name, fold) not in self.resumed]
        if not left:
            return
        backend = backend_for(len(left))
        # Where this machine's processes work they keep their results themselves, so that none is held in memory.
        here = isinstance(backend, jobs.Serial | jobs.Processes)
        todo = [
            Job(f"{v.name}, fold {fold + 1}", partial(work, v, fold, self.path(v, fold) if here else None))
            for v, fold in left
        ]
        # Processes read the table themselves, which takes less than sending it; a cluster may not reach the file.
        reads = isinstance(backend, jobs.Processes)
        setup = partial(_opened, self.bench.protocol) if reads else partial(_given, self.bench)

        def each_one(index: int, outcome: Outcome[bytes | None]) -> None:
            variant, fold = left[index]
            if outcome.error is not None:
                self.failed[variant.name, fold] = outcome.error
            elif outcome.value is not None:
                digest = self.bench.digest(variant, fold)
                result = unpacked(outcome.value, digest)
                assert result is not None
                keep(self.path(variant, fold), result, digest)

        jobs.map(todo, setup=setup, backend=backend, progress=progress, each=each_one)
        self._check()

    def _check(self) -> None:
        """Refuse variants without a fold: nothing can be told of them."""
        problems: dict[Problem, None] = {}
        for variant in self.variants:
            errors = [self.failed.get((variant.name, fold)) for fold in self.folds]
            if all(error is not None for error in errors):
                told = [problem for error in errors if error is not None for problem in error.problems]
                problems |= dict.fromkeys(_placed(item, variant.name) for item in told[:1])
        if problems:
            raise ModelError(problems)

    def path(self, variant: Variant, fold: int) -> Path:
        """Return the file of a variant's fold."""
        kind = variant.kind.name
        return self.folder / f"{kind}.{self.bench.digest(variant, fold)[:16]}.fold-{fold + 1}.npz"

    def results(self, variant: Variant) -> list[FoldResult]:
        """Return the predictions of all folds of a variant."""
        found = (kept(self.path(variant, fold), self.bench.digest(variant, fold)) for fold in self.folds)
        return [result for result in found if result is not None]


def _placed(problem: Problem, name: str) -> Problem:
    """Return the problem with the name of the variant that it is about."""
    told = problem.where.startswith(name)
    return problem if told else replace(problem, where=f"{name}: {problem.where}".removesuffix(": "))


def _given(bench: Bench) -> Bench:
    return bench


def _opened(protocol: Protocol) -> Bench:
    return Bench.open(protocol)
