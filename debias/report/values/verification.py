"""A model file held against its own record: the value that `verify` returns."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from debias.report.values.numbers import Number, Part
from debias.report.values.report import ModelInfo

VERIFICATION_VERSION = "1.0"

Status = Literal["agrees", "differs", "unknown", "not-checked"]
Subject = Literal[
    "weights", "program", "extra-files", "contract", "record", "report", "source", "data", "train", "valid", "test",
    "figures",
]  # fmt: skip


class Check(Part):
    """One thing that the record tells, and what was found."""

    subject: Subject = Field(
        description="weights, program, extra-files, contract, record: the file against its seal; report: against a "
        "report; source, data, train, valid, test: files against the digests in the record; figures: counted again."
    )
    status: Status = Field(
        description="agrees; differs; unknown: the record has nothing to compare with; not-checked: nothing was given."
    )
    told: str = Field(description="What was found, in one sentence.")
    recorded: str | None = Field(default=None, description="SHA-256 in the record, of a file.")
    found: str | None = Field(default=None, description="SHA-256 of the file given.")
    names: list[str] = Field(default_factory=list, description="What differs, by name.")


class TensorChange(Part):
    """How a tensor of the source differs from that of the file."""

    name: str = Field(description="Its name in the file.")
    shape: list[int] = Field(description="Its shape.")
    numbers: int = Field(description="How many numbers it holds.")
    changed: int = Field(description="How many of them differ.")
    norm: Number = Field(description="Euclidean norm of the difference; None where it is not finite.")
    relative: Number = Field(description="That norm divided by the norm in the source; None where that is 0.")
    largest: Number = Field(description="Largest absolute difference of a number; None where it is not finite.")


class EntryChange(Part):
    """An entry of the contract that differs; None where it is missing."""

    entry: str = Field(description="Its place, such as output.threshold.")
    source: Any = Field(default=None, description="In the source.")
    file: Any = Field(default=None, description="In the file.")


class Changes(Part):
    """What differs between the source and the file."""

    tensors: list[TensorChange] = Field(default_factory=list, description="Tensors with other numbers.")
    same_tensors: int = Field(description="Tensors that are equal bit for bit.")
    added_tensors: list[str] = Field(default_factory=list, description="Tensors that the source has not.")
    removed_tensors: list[str] = Field(default_factory=list, description="Tensors that the file has not.")
    program: list[str] = Field(
        default_factory=list, description="Entries of the program (code, graph) that differ, or are in one file only."
    )
    contract: list[EntryChange] = Field(default_factory=list, description="Entries of the contract that differ.")


class FigureChange(Part):
    """A recorded figure that comes out otherwise."""

    figure: str = Field(description="Its place in the record, such as after.parities.0.bias.")
    recorded: Any = Field(default=None, description="In the record.")
    found: Any = Field(default=None, description="Counted again.")


class Recount(Part):
    """Recorded figures counted again from the given rows."""

    networks: list[str] = Field(description="Whose figures: after is the file, the others are of the source.")
    compared: int = Field(description="How many figures were compared.")
    tolerance: float = Field(description="Numbers agree within this, absolute or relative.")
    differing: list[FigureChange] = Field(default_factory=list, description="Those that do not agree.")


class Verification(Part):
    """A file against its record."""

    schema_version: str = Field(default=VERIFICATION_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    verb: Literal["verify"] = Field(default="verify", description="What was asked.")
    verdict: Literal["agrees", "differs"] = Field(
        description="differs where a check does, or where the file has no seal."
    )
    statement: str = Field(description="The result as one sentence.")
    model: ModelInfo = Field(description="The file.")
    source: ModelInfo | None = Field(default=None, description="The network before, where it was given.")
    method: str | None = Field(default=None, description="Method or verb that wrote the file, as the record tells.")
    written_with: dict[str, str] = Field(
        default_factory=dict, description="Versions of Python and the libraries, as the record tells."
    )
    recorded_verdict: str | None = Field(default=None, description="The verdict in the record.")
    checks: list[Check] = Field(description="What was compared, in order.")
    changes: Changes | None = Field(default=None, description="None without the source.")
    recount: Recount | None = Field(default=None, description="None where figures were not counted again.")
    notes: list[str] = Field(default_factory=list, description="What a reader should know.")
    trusted: bool = Field(default=False, description="--trust was given: the checks before loading were overridden.")
    command: str | None = Field(default=None, description="Command that repeats the verification.")

    @property
    def exit_code(self) -> int:
        """0 where all that was checked agrees, 1 where something differs."""
        return 0 if self.verdict == "agrees" else 1

    def of(self, subject: Subject) -> Check:
        """Return the check of a subject; KeyError where it took no part."""
        for check in self.checks:
            if check.subject == subject:
                return check
        raise KeyError(subject)
