"""The human report of any report value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from debias.report.adaptation import Adaptation
from debias.report.adaptation_content import adaptation_document
from debias.report.comparison import Comparison
from debias.report.comparison_content import comparison_document
from debias.report.content import report_document
from debias.report.crossval import CrossValidation
from debias.report.crossval_content import crossval_document
from debias.report.difference import Difference
from debias.report.difference_content import difference_document
from debias.report.document import Document
from debias.report.importance import Importance
from debias.report.importance_content import importance_document
from debias.report.inspection import Inspection
from debias.report.inspection_content import inspection_document
from debias.report.model import Report
from debias.report.training import TrainingReport
from debias.report.training_content import training_document
from debias.report.tuning import Tuning
from debias.report.tuning_content import tuning_document
from debias.report.verification import Verification
from debias.report.verification_content import verification_document

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
)

_DOCUMENTS: dict[type[Value], Callable[[Any], Document]] = {
    Report: report_document,
    Inspection: inspection_document,
    Comparison: comparison_document,
    Importance: importance_document,
    TrainingReport: training_document,
    CrossValidation: crossval_document,
    Tuning: tuning_document,
    Adaptation: adaptation_document,
    Verification: verification_document,
    Difference: difference_document,
}


def document_of(value: Value) -> Document:
    """Return what a human report of any of them says."""
    return _DOCUMENTS[type(value)](value)
