"""The human report of any report value."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from debias.report.content import Document, document

if TYPE_CHECKING:
    from debias.report.adaptation import Adaptation
    from debias.report.comparison import Comparison
    from debias.report.crossval import CrossValidation
    from debias.report.difference import Difference
    from debias.report.importance import Importance
    from debias.report.inspection import Inspection
    from debias.report.model import Report
    from debias.report.training import TrainingReport
    from debias.report.tuning import Tuning
    from debias.report.verification import Verification

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


def document_of(value: Value) -> Document:
    """Return what a human report of any of them says."""
    from debias.report.adaptation import Adaptation
    from debias.report.comparison import Comparison
    from debias.report.crossval import CrossValidation
    from debias.report.difference import Difference
    from debias.report.importance import Importance
    from debias.report.inspection import Inspection
    from debias.report.training import TrainingReport
    from debias.report.tuning import Tuning
    from debias.report.verification import Verification

    if isinstance(value, Inspection):
        from debias.report.inspection_content import inspection_document

        return inspection_document(value)
    if isinstance(value, Comparison):
        from debias.report.comparison_content import comparison_document

        return comparison_document(value)
    if isinstance(value, Importance):
        from debias.report.importance_content import importance_document

        return importance_document(value)
    if isinstance(value, TrainingReport):
        from debias.report.training_content import training_document

        return training_document(value)
    if isinstance(value, CrossValidation):
        from debias.report.crossval_content import crossval_document

        return crossval_document(value)
    if isinstance(value, Tuning):
        from debias.report.tuning_content import tuning_document

        return tuning_document(value)
    if isinstance(value, Adaptation):
        from debias.report.adaptation_content import adaptation_document

        return adaptation_document(value)
    if isinstance(value, Verification):
        from debias.report.verification_content import verification_document

        return verification_document(value)
    if isinstance(value, Difference):
        from debias.report.difference_content import difference_document

        return difference_document(value)
    return document(value)
