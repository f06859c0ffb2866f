"""Many models with their tables: the value that `fleet` returns, and the result of each job."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from debias.fairness.metrics import Metric
from debias.objective import Verdict
from debias.report.values.numbers import Number, Part
from debias.report.values.report import Report

FLEET_VERSION = "1.0"

JobStatus = Literal["done", "refused", "crashed", "timeout", "memory", "cpu", "forbidden", "stopped"]
"""Why a job has a report, or has none."""


AttributeOutcome = Literal["pass", "fail", "inconclusive", "undefined", "no-bound"]
"""The verdict of a model under one attribute."""


class JobProblem(Part):
    """One thing that was found wrong."""

    found: str = Field(description="What was found.")
    where: str = Field(default="", description="Where.")
    remedy: str = Field(default="", description="The way out.")


class JobResult(Part):
    """What became of one model; the content of one file under `jobs/`."""

    schema_version: str = Field(default=FLEET_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that did the job.")
    name: str = Field(description="Name of the job, unique in the fleet; its file is jobs/NAME.json.")
    key: str | None = Field(
        description="SHA-256 over the bytes of model, tables and contract, the settings and the version: a job with "
        "the same key has the same result. None where a file could not be read."
    )
    model: str = Field(description="Path of the model, as the manifest leads to it.")
    model_sha256: str | None = Field(default=None, description="Of the model file.")
    data: str = Field(description="Path of the table.")
    data_sha256: str | None = Field(default=None, description="Of the table.")
    verb: str = Field(description="audit, or the method of repair.")
    settings: dict[str, Any] = Field(default_factory=dict, description="What was asked beside model and table.")
    status: JobStatus = Field(
        description="done: there is a report; refused: the input is at fault; crashed, timeout, memory, cpu, "
        "forbidden: its process died, took too long, too much memory, too much processor time, or tried what its "
        "sandbox forbids; stopped: the run ended before it."
    )
    problems: list[JobProblem] = Field(default_factory=list, description="Why there is no report.")
    exit_code: int = Field(description="Of the job alone: 0 bound met, 1 not met, 3 inconclusive, 2 no report.")
    report: Report | None = Field(default=None, description="What the verb returned.")
    output: str | None = Field(default=None, description="The repaired file, below the folder of the results.")
    seconds: float = Field(description="Wall-clock seconds of the job.")
    reused: Literal["resumed", "cached", "same"] | None = Field(
        default=None,
        description="Not computed in this run: resumed from the folder of the results, taken from the cache, or that "
        "of another job of this fleet with the same key.",
    )
    seal: str | None = Field(
        default=None, description="SHA-256 over all else in the file, which is not read back where it differs."
    )


class FleetRow(Part):
    """One row of the summary: a model under one attribute."""

    name: str = Field(description="Name of the job.")
    model: str = Field(description="Path of the model.")
    data: str = Field(description="Path of the table.")
    verb: str = Field(description="audit, or the method of repair.")
    status: JobStatus = Field(description="See the job.")
    verdict: Verdict | None = Field(default=None, description="Of the model over all attributes.")
    exit_code: int = Field(description="Of the job.")
    attribute: str | None = Field(default=None, description="Protected attribute.")
    attribute_verdict: AttributeOutcome | None = Field(default=None, description="Of this attribute alone.")
    metric: Metric | None = Field(default=None, description="The parity metric.")
    eps: Number = Field(default=None, description="The bound on |bias|.")
    bias: Number = Field(default=None, description="On the verdict rows; after the repair, where there is one.")
    low: Number = Field(default=None, description="Lower limit of the bias.")
    high: Number = Field(default=None, description="Upper limit of the bias.")
    pair: list[str] | None = Field(default=None, description="The groups of the largest difference.")
    performance: Number = Field(default=None, description="The performance measure of the objective.")
    balanced_accuracy: Number = Field(default=None, description="On the verdict rows.")
    auroc: Number = Field(default=None, description="On the verdict rows.")
    rows: int | None = Field(default=None, description="Verdict rows.")
    bias_before: Number = Field(default=None, description="Before the repair; None of an audit.")
    balanced_accuracy_before: Number = Field(default=None, description="Before the repair; None of an audit.")
    output: str | None = Field(default=None, description="The repaired file.")
    problem: str | None = Field(default=None, description="Why there is no report, in one line.")
    seconds: float = Field(description="Wall-clock seconds of the job.")
    reused: str | None = Field(default=None, description="Where the result came from, when it was not computed now.")
    model_sha256: str | None = Field(default=None, description="Of the model file.")
    data_sha256: str | None = Field(default=None, description="Of the table.")


class Fleet(Part):
    """All models of a fleet."""

    schema_version: str = Field(default=FLEET_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    created: str | None = Field(default=None, description="Time of the run, UTC, ISO 8601.")
    verb: Literal["fleet"] = Field(default="fleet", description="What was asked.")
    exit_code: int = Field(description="The gravest of all jobs: 2 over 1 over 3 over 0.")
    statement: str = Field(description="How many models meet their bound, miss it, are open or have no report.")
    manifest: str | None = Field(default=None, description="The manifest; None where files were named.")
    folder: str = Field(default="", description="Where the results lie; empty where none are kept.")
    counts: dict[str, int] = Field(description="Jobs by pass, fail, inconclusive, no-bound and the status of others.")
    reused: int = Field(default=0, description="Jobs that were not computed in this run.")
    rows: list[FleetRow] = Field(description="One for each job and attribute, in the order of the manifest.")
    isolation: str = Field(default="", description="What keeps a job from the machine, in words.")
    workers: int = Field(default=1, description="Jobs at a time.")
    backend: str = Field(default="processes", description="processes or ray.")
    seconds: float = Field(description="Wall-clock seconds of all.")
    interrupted: bool = Field(default=False, description="The run was stopped; --resume goes on.")
    command: str | None = Field(default=None, description="Command that repeats the run.")
    versions: dict[str, str] = Field(default_factory=dict, description="Of Python and the libraries.")
