"""Every verb as a function: one run from open to report.

The functions have the names of the verbs, their arguments the names of the flags. They return a report and print
nothing; errors are `debias.errors.DebiasError`. Beside those named here there is one for every method of
`debias.methods`: ``threshold``, ``prune``, ``gda``.
"""

from __future__ import annotations

from debias import methods
from debias.run.contracting import contract
from debias.run.inspecting import inspect
from debias.run.verbs import Verb, audit, repair, verb_of

__all__ = ["audit", "contract", "inspect", "repair"]


def __getattr__(name: str) -> Verb:
    if name in methods.names():
        function = globals()[name] = verb_of(methods.load(name))
        return function
    raise AttributeError(f"module 'debias.run' has no attribute {name!r}")
