"""Several methods under one objective, side by side: the value that `compare` returns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from debias.objective import Verdict
from debias.report.values.figures import Figures
from debias.report.values.numbers import Number, Part
from debias.report.values.report import Report

COMPARISON_VERSION = "1.0"

Status = Literal["ok", "impossible", "failed"]


class Paired(Part):
    """How much better the winner is than a candidate, on the selection rows."""

    difference: float = Field(description="Merit of the winner minus that of the candidate.")
    standard_error: float = Field(
        description="Of that difference, paired row by row: the square root of Σ_s n_s / (n_s − 1) Σ_i (d_i − d̄_s)² "
        "over the strata s (for balanced accuracy the two labels, else all rows), where d_i is the row's part in the "
        "difference: for balanced accuracy f · w_i [decision is right] / (2 Σ w of its label) of the winner minus that "
        "of the candidate, with f the merit divided by the performance."
    )


class Candidate(Part):
    """What one method reached, or why it reached nothing."""

    method: str = Field(description="Name of the method.")
    settings: dict[str, Any] = Field(description="Every setting of the method.")
    status: Status = Field(
        description="ok: it returned a repair; impossible: it cannot work on this network or these rows; failed: it "
        "ended by a fault."
    )
    reasons: list[str] = Field(default_factory=list, description="Why it is impossible, or how it failed.")
    winner: bool = Field(default=False, description="The one that was chosen on the selection rows.")
    uses_attribute: bool | None = Field(
        default=None,
        description="The repair uses the protected attribute at prediction, beyond what the network itself reads.",
    )
    summary: str = Field(default="", description="What was changed, in one sentence.")
    chosen_step: int | None = Field(default=None, description="Step of the trajectory that was taken.")
    steps: int | None = Field(default=None, description="Steps that were tried.")
    feasible: bool | None = Field(
        default=None, description="On the selection rows it met the bound as the selection asks for it."
    )
    merit: Number = Field(
        default=None,
        description="What was maximised on the selection rows: the performance, times the chance that the bound holds "
        "where the selection expects noise.",
    )
    selection: Figures | None = Field(default=None, description="On the rows that chose: optimistic by construction.")
    after: Figures | None = Field(default=None, description="On the verdict rows; took no part in the choice.")
    verdict: Verdict | None = Field(default=None, description="The verdict that this candidate would have got.")
    behind: Paired | None = Field(default=None, description="How far it lies behind the winner; None for the winner.")
    seconds: float | None = Field(default=None, description="Wall-clock seconds on one thread.")

    @property
    def only_there(self) -> bool:
        """The bound holds on the verdict rows alone: no step met it where candidates are chosen, so it fails."""
        held = self.after is not None and bool(self.after.objective)
        return self.verdict == "fail" and self.feasible is False and held


class FrontPoint(Part):
    """A network that no other step of its method beats in balanced accuracy (R²) and \\|bias\\| at once."""

    method: str = Field(description="Name of the method.")
    step: int = Field(description="Step of its trajectory; 0 is the unchanged network.")
    chosen: bool = Field(description="The operating point that the method returned; else at its best threshold.")
    balanced_accuracy: Number = Field(default=None, description="On the selection rows; None of a regression.")
    r2: Number = Field(default=None, description="R² of a regression on the selection rows.")
    bias: float = Field(description="On the selection rows.")
    overall: bool = Field(description="No point of another method beats it either.")

    @property
    def quality(self) -> float:
        """Balanced accuracy, of a regression R²."""
        found = self.r2 if self.balanced_accuracy is None else self.balanced_accuracy
        assert found is not None
        return found


class Comparison(Part):
    """All methods under one objective, on the same rows with the same seed, and the one that was chosen."""

    schema_version: str = Field(default=COMPARISON_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    verb: Literal["compare"] = Field(default="compare", description="What was asked.")
    verdict: Verdict = Field(description="The winner's.")
    exit_code: int = Field(description="The winner's: 0 bound met, 1 not met, 3 inconclusive.")
    statement: str = Field(description="The verdict as one sentence: figure, bound, rows.")
    winner: str = Field(description="Name of the method that was chosen on the selection rows.")
    reason: str = Field(description="Why that one.")
    attribute_is_input: bool = Field(description="The network itself reads the protected attribute, repaired or not.")
    candidates: Annotated[list[Candidate], Field(min_length=1)] = Field(description="One for each method.")
    front: list[FrontPoint] = Field(
        default_factory=list,
        description="Balanced accuracy (of a regression R²) against |bias| on the selection rows: the steps of each "
        "method that no other of its steps beats in both, and the operating points returned, by |bias|.",
    )
    report: Report = Field(description="The winner's own report, as its verb writes it.")
    seconds: float = Field(description="Wall-clock seconds of all, opening and writing included.")
    command: str | None = Field(default=None, description="Command that repeats the comparison.")

    def of(self, method: str) -> Candidate:
        """Return the candidate of a method; KeyError where it took no part."""
        for candidate in self.candidates:
            if candidate.method == method:
                return candidate
        raise KeyError(method)
