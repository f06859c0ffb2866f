"""Every value that a report can be of."""

from __future__ import annotations

from typing import TypeAlias

from debias.report.values.adaptation import Adaptation
from debias.report.values.comparison import Comparison
from debias.report.values.crossval import CrossValidation
from debias.report.values.difference import Difference
from debias.report.values.fleet import Fleet
from debias.report.values.importance import Importance
from debias.report.values.inspection import Inspection
from debias.report.values.report import Report
from debias.report.values.training import TrainingReport
from debias.report.values.tuning import Tuning
from debias.report.values.verification import Verification

Value: TypeAlias = (
    Report
    | Inspection
    | Comparison
    | Importance
    | TrainingReport
    | CrossValidation
    | Tuning
    | Adaptation
    | Verification
    | Difference
    | Fleet
)
