"""The human report of any report value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from debias.report.content.adaptation import adaptation_document
from debias.report.content.comparison import comparison_document
from debias.report.content.crossval import crossval_document
from debias.report.content.difference import difference_document
from debias.report.content.document import Document
from debias.report.content.fleet import fleet_document
from debias.report.content.importance import importance_document
from debias.report.content.inspection import inspection_document
from debias.report.content.report import report_document
from debias.report.content.training import training_document
from debias.report.content.tuning import tuning_document
from debias.report.content.verification import verification_document
from debias.report.values.adaptation import Adaptation
from debias.report.values.comparison import Comparison
from debias.report.values.crossval import CrossValidation
from debias.report.values.difference import Difference
from debias.report.values.every import Value
from debias.report.values.fleet import Fleet
from debias.report.values.importance import Importance
from debias.report.values.inspection import Inspection
from debias.report.values.report import Report
from debias.report.values.training import TrainingReport
from debias.report.values.tuning import Tuning
from debias.report.values.verification import Verification

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
    Fleet: fleet_document,
}


def document_of(value: Value) -> Document:
    """Return what a human report of any of them says."""
    return _DOCUMENTS[type(value)](value)
