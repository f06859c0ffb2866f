"""`debias fleet`, and `debias audit` of several models."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from debias.cli.delivery import Delivery, FleetReportOptions
from debias.cli.guard import INTERRUPTED, complain, say
from debias.cli.progress import progress_bar
from debias.cli.verbs import MODEL, OUTPUT, SEARCH, verb
from debias.errors import Problem, UsageError
from debias.report.text import visible

if TYPE_CHECKING:
    from debias.report.values.fleet import Fleet

PAUSE = 10.0
"""Seconds between two lines of progress where there is no terminal."""

NONE = "none"


@dataclass(frozen=True, kw_only=True)
class FleetOptions(FleetReportOptions):
    """A manifest, what its jobs may take, and where the results go."""

    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST", help="YAML or TOML file: jobs, each a model or a pattern, and defaults for all."
        ),
    ]
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Load files that the checks before loading refuse. What they run is held by the limits alone.",
            rich_help_panel=MODEL,
        ),
    ] = False
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Jobs at a time; no result depends on it. Default: the cores.", rich_help_panel=SEARCH
        ),
    ] = None
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Do the jobs on Ray: HOST:PORT of a cluster that this machine is a node of; local starts Ray here; "
            "auto joins the cluster of RAY_ADDRESS, or starts one. Every node sees the files under the same paths.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    timeout: Annotated[
        str, typer.Option(metavar="SECONDS", help="End a job after this time, or none.", rich_help_panel=SEARCH)
    ] = "600"
    memory: Annotated[
        str,
        typer.Option(metavar="SIZE", help="Memory of a job, as 2GiB or 500MB, or none.", rich_help_panel=SEARCH),
    ] = "4GiB"
    cpu_seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Processor time of a job. Default: no limit.", rich_help_panel=SEARCH),
    ] = None
    no_sandbox: Annotated[
        bool,
        typer.Option(
            "--no-sandbox",
            help="Let jobs write files, use the network and start programs; needed for a device other than cpu.",
            rich_help_panel=SEARCH,
        ),
    ] = False
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the results: a JSON report for each job, repaired models, the summary. Default: the name "
            "of MANIFEST with the ending .fleet, in the working directory.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Keep the results in --out whose model, tables, contract, settings and versions are the same; do the "
            "rest.",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Results of all runs, by what they depend on: nothing is computed twice. Default: fleet below "
            "DEBIAS_CACHE, else below the user's folder for caches.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Take no result from there, and add none.", rich_help_panel=OUTPUT)
    ] = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "fleet", FleetOptions)
    def fleet(options: FleetOptions) -> int:
        """Audit or repair many models, each in a process of its own with limits on what it may take and do.

        A model that is refused, crashes, hangs or takes too much is a line that says so; the others go on. The exit
        code is the gravest of all: 2 where a model has no report, over 1, over 3, over 0. After an interruption
        --resume goes on.
        """
        return run(
            options,
            options.manifest,
            out=options.out or Path(f"{options.manifest.stem or 'manifest'}.fleet"),
            resume=options.resume,
            workers=options.workers,
            ray=options.ray,
            timeout=_seconds(options.timeout),
            memory=None if options.memory.strip().lower() == NONE else options.memory,
            cpu_seconds=options.cpu_seconds,
            sandbox=not options.no_sandbox,
            trust=options.trust,
            cache=False if options.no_cache else options.cache,
        )


def run(
    options: FleetReportOptions,
    manifest: Any,
    *,
    told: Callable[[Fleet], Fleet] | None = None,
    **settings: Any,
) -> int:
    """Run a fleet with its progress, hand over its summary, and return the exit code.

    Parameters
    ----------
    options : FleetReportOptions
        What is printed and written of it.
    manifest : Path or list of mappings
        As `debias.fleet` takes it.
    told : callable, optional
        Completes the summary before it is handed over.
    **settings
        The other arguments of `debias.fleet`.
    """
    delivery = Delivery(options, inputs=(manifest,) if isinstance(manifest, Path) else ())
    home = import_module("debias.experiments.fleet")
    try:
        with progress(options.quiet) as move:
            value = home.fleet(manifest, force=options.force, progress=move, **settings)
    except KeyboardInterrupt as leave:
        known = getattr(leave, "fleet", None)
        if known is None:
            raise
        complain("interrupted", _left(known))
        return INTERRUPTED
    return delivery.hand_over(value if told is None else told(value))


def _left(fleet: Fleet) -> Problem:
    """Return what is there after an interruption."""
    jobs = sum(fleet.counts.values())
    done = jobs - fleet.counts.get("stopped", 0)
    if not fleet.folder:
        return Problem(f"{done:,} of {jobs:,} jobs were done; no result is kept", "", "--out DIR keeps results.")
    remedy = "The same command with --resume goes on."
    return Problem(f"{done:,} of {jobs:,} jobs are done; their results are kept", fleet.folder, remedy)


def _seconds(text: str) -> float | None:
    if text.strip().lower() == NONE:
        return None
    try:
        return float(text)
    except ValueError:
        problem = Problem(f"{text[:60]!r} is no number of seconds", "--timeout", "Give one such as 600, or none.")
        raise UsageError(problem) from None


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int, int, str], None] | None]:
    """Yield what shows progress: a bar with the time left on a terminal, else a line now and then."""
    if quiet or sys.stderr.isatty():
        with progress_bar(quiet) as move:
            yield move
        return
    yield _Lines()


class _Lines:
    """Lines on stderr, one each `PAUSE` seconds; nothing of a run that is shorter."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        # From the first job on: what goes before it is done once.
        begun, before = self.first = self.first or (now, done)
        if now - self.last < PAUSE or not 0 < done < total:
            return
        self.last = now
        left = f", about {_duration((now - begun) / (done - before) * (total - done))} left" if done > before else ""
        say(f"{done:,} of {total:,} jobs{left}: {visible(text)}\n")


def _duration(seconds: float) -> str:
    """Return a time as people say it: 40 s, 12 min, 3 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
