"""The bias-constrained objective: what is asked of a candidate, and how every threshold of one is judged."""

from debias.objective.constrained import (
    Constraint,
    Metric,
    Objective,
    OperatingPoint,
    Performance,
    Scorer,
    Selection,
    Sweep,
    Verdict,
    decide,
    exit_code,
)

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
