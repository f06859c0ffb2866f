"""Repair a trained PyTorch network that misses a fairness bound, and show what was done.

Every verb of the command line is a function of the same name and returns the same report value::

    import debias

    report = debias.prune("model.pt", "rows.csv", attr="sex", eps=0.05, out="model.prune.pt")
    report.verdict, report.after.bias

Nothing heavy is imported before a name is used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from debias.methods import names as _methods

if TYPE_CHECKING:
    from debias.errors import ContractError, DataError, DebiasError, ModelError, UsageError, WriteError
    from debias.experiments.compare import compare
    from debias.experiments.crossval import crossval
    from debias.experiments.fleet import fleet
    from debias.experiments.importance import importance
    from debias.experiments.tune import tune
    from debias.report.values.comparison import Comparison
    from debias.report.values.difference import Difference
    from debias.report.values.fleet import Fleet
    from debias.report.values.inspection import Inspection
    from debias.report.values.report import Report
    from debias.report.values.training import TrainingReport
    from debias.report.values.tuning import Tuning
    from debias.report.values.verification import Verification
    from debias.run import audit, contract, inspect, repair
    from debias.run.adapting import adapt
    from debias.run.catalog import data_set
    from debias.run.differing import diff
    from debias.run.training import train
    from debias.run.verifying import verify

    __version__: str

_HOME = {
    **dict.fromkeys(("audit", "contract", "inspect", "repair", *_methods()), "debias.run"),
    **dict.fromkeys(
        ("ContractError", "DataError", "DebiasError", "ModelError", "UsageError", "WriteError"), "debias.errors"
    ),
    "Comparison": "debias.report.values.comparison",
    "Difference": "debias.report.values.difference",
    "Fleet": "debias.report.values.fleet",
    "Inspection": "debias.report.values.inspection",
    "Report": "debias.report.values.report",
    "TrainingReport": "debias.report.values.training",
    "Tuning": "debias.report.values.tuning",
    "Verification": "debias.report.values.verification",
    "adapt": "debias.run.adapting",
    "compare": "debias.experiments.compare",
    "crossval": "debias.experiments.crossval",
    "data_set": "debias.run.catalog",
    "diff": "debias.run.differing",
    "fleet": "debias.experiments.fleet",
    "importance": "debias.experiments.importance",
    "train": "debias.run.training",
    "tune": "debias.experiments.tune",
    "verify": "debias.run.verifying",
}

__all__ = [  # one name for every method
    "Comparison",
    "ContractError",
    "DataError",
    "DebiasError",
    "Difference",
    "Fleet",
    "Inspection",
    "ModelError",
    "Report",
    "TrainingReport",
    "Tuning",
    "UsageError",
    "Verification",
    "WriteError",
    "__version__",
    "adapt",
    "audit",
    "compare",
    "contract",
    "crossval",
    "data_set",
    "diff",
    "fleet",
    "importance",
    "inspect",
    "repair",
    "train",
    "tune",
    "verify",
    *_methods(),
]


class _Package(ModuleType):
    """The package itself; importing the module ``debias.contract`` must not hide the verb of that name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOME and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("debias")
        except PackageNotFoundError:
            return "0+unknown"
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'debias' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
