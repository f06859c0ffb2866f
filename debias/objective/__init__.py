"""The bias-constrained objective: what is asked of a candidate, and how every threshold of one is judged."""

from debias.fairness.metrics import Metric
from debias.objective.constrained import (
    DEFAULTS,
    Constraint,
    Objective,
    Performance,
    Verdict,
    decide,
    exit_code,
    unfit_metrics,
)
from debias.objective.judge import Judge
from debias.objective.regression import RegressionScorer
from debias.objective.scorer import Scorer
from debias.objective.selection import Selection
from debias.objective.sweep import OperatingPoint, Sweep

__all__ = [
    "DEFAULTS",
    "Constraint",
    "Judge",
    "Metric",
    "Objective",
    "OperatingPoint",
    "Performance",
    "RegressionScorer",
    "Scorer",
    "Selection",
    "Sweep",
    "Verdict",
    "decide",
    "exit_code",
    "unfit_metrics",
]
