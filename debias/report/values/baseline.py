"""Findings that were accepted beforehand: the file that names them, and what became of them in a run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from debias.report.values.numbers import Number, Part

BASELINE_VERSION = "1.0"


class Accepted(Part):
    """One finding that is known and lived with."""

    fingerprint: str = Field(description="Names the finding, whatever its figures.", pattern="^[0-9a-f]{32}$")
    rule: str = Field(description="Number of the rule, as DB101.")
    model: str = Field(description="The model file, as in the fingerprint.")
    subject: str = Field(description="deployed: the file as it came; else the verb that repaired it.")
    metric: str = Field(description="How groups are compared.")
    attribute: str | None = Field(description="The protected attribute; None for a finding about the whole run.")
    pair: tuple[str, str] | None = Field(
        description="The two groups whose difference it is, the first minus the second."
    )
    status: Literal["fail", "inconclusive", "undefined"] = Field(description="What was accepted.")
    bias: Number = Field(description="The figure that was accepted; a larger one, or one of the other sign, is new.")
    reason: str = Field(default="", description="Why it is accepted, in the words of who accepts it.")


class BaselineFile(Part):
    """A file of accepted findings: what --write-baseline writes and --baseline reads."""

    schema_version: str = Field(default=BASELINE_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the file.")
    findings: list[Accepted] = Field(description="The accepted findings, each once.")


class BaselineUse(Part):
    """What --baseline did in a run."""

    path: str = Field(description="The file as named.")
    sha256: str = Field(description="SHA-256 of the file.")
    subject: str = Field(description="What was judged, as in `Accepted.subject`.")
    accepted: list[Accepted] = Field(description="Its findings that are met again and no worse.")
    worse: list[Accepted] = Field(description="Its findings that are met again and worse: these count.")
    gone: list[Accepted] = Field(description="Its findings on what this run measured that are not met any more.")
