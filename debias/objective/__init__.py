"""The bias-constrained objective: what is asked of a candidate, and how every threshold of one is judged."""

from debias.fairness.metrics import Metric
from debias.objective.constrained import Constraint, Objective, Performance, Verdict, decide, exit_code
from debias.objective.scorer import Scorer
from debias.objective.selection import Selection
from debias.objective.sweep import OperatingPoint, Sweep

__all__ = [
    "Constraint",
    "Metric",
    "Objective",
    "OperatingPoint",
    "Performance",
    "Scorer",
    "Selection",
    "Sweep",
    "Verdict",
    "decide",
    "exit_code",
]
