"""One measurement of another package on predictions that lie in a Parquet file; started by `audit_throughput.py`.

    python benchmarks/throughput_rivals.py {fairlearn,aif360} PREDICTIONS

Needs numpy, pandas, pyarrow and the package alone, so that it can run in an environment of the package's own. Prints
one JSON object: seconds from arrays in memory to figures, resident memory before and at most, and the figures.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

Figures = dict[str, float]


def memory(name: str) -> int:
    """Return a line of this process's memory in bytes: VmRSS is held now, VmHWM was held at most."""
    with Path("/proc/self/status").open() as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


class Clock:
    """Seconds since it was made: by the clock, and of this process's processor."""

    def __init__(self) -> None:
        self.start = time.perf_counter(), time.process_time()

    def seconds(self) -> dict[str, float]:
        """Return both."""
        return {"seconds": time.perf_counter() - self.start[0], "processor": time.process_time() - self.start[1]}


def fairlearn() -> Callable[[Any, Any, Any], Figures]:
    """Return the measurement by MetricFrame: rates by group, and their difference."""
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    def measure(y: Any, decision: Any, group: Any) -> Figures:
        rates = {"selection": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}
        frame = MetricFrame(metrics=rates, y_true=y, y_pred=decision, sensitive_features=group)
        return {name: float(abs(value)) for name, value in frame.difference().items()}

    return measure


def aif360() -> Callable[[Any, Any, Any], Figures]:
    """Return the measurement by ClassificationMetric: the same differences of rates."""
    import pandas as pd
    from aif360.datasets import BinaryLabelDataset
    from aif360.metrics import ClassificationMetric

    def measure(y: Any, decision: Any, group: Any) -> Figures:
        frame = pd.DataFrame({"label": y.astype(float), "group": group.astype(float)})
        true = BinaryLabelDataset(df=frame, label_names=["label"], protected_attribute_names=["group"])
        predicted = true.copy()
        predicted.labels = decision.astype(float).reshape(-1, 1)
        groups = ([{"group": 0.0}], [{"group": 1.0}])
        metric = ClassificationMetric(true, predicted, *groups)
        return {
            "selection": abs(float(metric.statistical_parity_difference())),
            "tpr": abs(float(metric.true_positive_rate_difference())),
            "fpr": abs(float(metric.false_positive_rate_difference())),
        }

    return measure


def main() -> None:
    """Measure once and print."""
    which, path = sys.argv[1:]
    measure = {"fairlearn": fairlearn, "aif360": aif360}[which]()
    table = pq.read_table(path)
    y, decision, group = (np.ascontiguousarray(table.column(name).to_numpy()) for name in ("y", "decision", "group"))
    del table
    before, clock = memory("VmRSS"), Clock()
    figures = measure(y, decision, group)
    print(json.dumps({**clock.seconds(), "before": before, "peak": memory("VmHWM"), "figures": figures}))


if __name__ == "__main__":
    main()
