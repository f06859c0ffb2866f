"""Every verb as a function: one run from open to report.

The functions have the names of the verbs, their arguments the names of the flags. They return a report and print
nothing; errors are `debias.errors.DebiasError`.
"""

from debias.run.contracting import contract
from debias.run.inspecting import inspect
from debias.run.verbs import audit, gda, prune, threshold

__all__ = ["audit", "contract", "gda", "inspect", "prune", "threshold"]
