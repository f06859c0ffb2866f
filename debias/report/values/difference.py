"""Two runs side by side: the value that `diff` returns."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from debias.objective import Verdict
from debias.report.values.figures import IntervalFigures
from debias.report.values.numbers import Number, Part
from debias.report.values.report import ModelInfo, TableInfo

DIFFERENCE_VERSION = "1.0"

Stage = Literal["deployed", "result"]


class RunInfo(Part):
    """One of the two runs."""

    path: str = Field(description="Its JSON report, as named.")
    sha256: str = Field(description="SHA-256 of that file.")
    debias_version: str = Field(description="Version that wrote it.")
    verb: str = Field(description="What was asked.")
    method: str | None = Field(description="Method of the result; None for an audit.")
    verdict: Verdict = Field(description="Its verdict.")
    statement: str = Field(description="Its verdict as one sentence.")
    metric: str = Field(description="How groups were compared.")
    eps: float | None = Field(description="The bound that was asked.")
    rows: int = Field(description="Rows that its figures are of.")
    model: ModelInfo = Field(description="The file that came in.")
    output: ModelInfo | None = Field(description="The file written, or None.")
    data: dict[str, TableInfo] = Field(description="data, train, test.")


class FigurePair(Part):
    """One figure in both runs."""

    stage: Stage = Field(
        description="deployed: the network as it came; result: what the verdict is of, in an audit the same."
    )
    figure: str = Field(description="Its name as in the report: bias, balanced_accuracy, selection_rate …")
    attribute: str | None = Field(default=None, description="Of the groups of this attribute; None: over all rows.")
    group: str | None = Field(default=None, description="Of this group alone.")
    first: Number = Field(description="In the first run; None where undefined.")
    second: Number = Field(description="In the second run; None where undefined.")
    difference: Number = Field(description="Second minus first; None where one is undefined.")
    first_interval: IntervalFigures | None = Field(default=None, description="Of a bias, in the first run.")
    second_interval: IntervalFigures | None = Field(default=None, description="Of a bias, in the second run.")


class SettingPair(Part):
    """Something other than a figure that differs."""

    setting: str = Field(description="Its place in the report, such as change.settings.steps.")
    first: Any = Field(description="In the first run; None also where it is not there.")
    second: Any = Field(description="In the second run; None also where it is not there.")


class MethodPair(Part):
    """A method of two comparisons."""

    method: str = Field(description="Its name.")
    first_status: str | None = Field(description="ok, impossible or failed; None where it took no part.")
    second_status: str | None = Field(description="The same in the second run.")
    first_verdict: Verdict | None = Field(default=None, description="The verdict that it would have got.")
    second_verdict: Verdict | None = Field(default=None, description="The same in the second run.")
    first_bias: Number = Field(default=None, description="Of the attribute that uses up most of the bound.")
    second_bias: Number = Field(default=None, description="The same in the second run.")
    first_quality: Number = Field(default=None, description="Balanced accuracy, of a regression R².")
    second_quality: Number = Field(default=None, description="The same in the second run.")


class Difference(Part):
    """Two runs side by side."""

    schema_version: str = Field(default=DIFFERENCE_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that compared them.")
    verb: Literal["diff"] = Field(default="diff", description="What was asked.")
    outcome: Literal["worse", "not-worse", "same", "not-compared"] = Field(
        description="worse: for at least one reason in `worse`; same: every figure of the result is equal; "
        "not-compared: the two runs ask different questions, see `obstacles`."
    )
    exit_code: int = Field(description="1 where --fail-if-worse was given and the second run is worse, else 0.")
    statement: str = Field(description="The outcome as one sentence.")
    first: RunInfo = Field(description="The run that the other is held against.")
    second: RunInfo = Field(description="The run that is held against it.")
    same_model: bool = Field(description="Both started from the same file.")
    same_data: bool | None = Field(description="Both read the same tables; None where one was no file.")
    tolerance: float = Field(description="A larger |bias| counts as worse from this difference on.")
    worse: list[str] = Field(default_factory=list, description="What is worse in the second run, in sentences.")
    smaller: list[str] = Field(default_factory=list, description="Which |bias| is smaller in the second run.")
    obstacles: list[str] = Field(default_factory=list, description="Why something could not be compared.")
    figures: list[FigurePair] = Field(default_factory=list, description="Figures of both, equal ones too.")
    methods: list[MethodPair] = Field(default_factory=list, description="The methods of two comparisons.")
    settings: list[SettingPair] = Field(default_factory=list, description="What else differs.")
    fail_if_worse: bool = Field(default=False, description="--fail-if-worse was given.")
    command: str | None = Field(default=None, description="Command that repeats it.")
