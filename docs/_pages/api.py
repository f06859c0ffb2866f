"""The Python interface: every public name of the package, and the modules that hold formulas."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import debias
from _pages.markup import contents, page

MODULES = {
    "debias.fairness.metrics": "Parity metrics and performance",
    "debias.fairness.dispersion": "Spread over groups",
    "debias.fairness.swap": "Attribute swap",
    "debias.fairness.regression": "Errors of predicted numbers",
    "debias.fairness.intervals": "Intervals",
    "debias.fairness.assessment": "The gate at a confidence",
    "debias.fairness.proxies": "Proxies",
    "debias.objective.constrained": "The constrained objective",
    "debias.objective.selection": "Rules of selection",
    "debias.methods.base": "The shape of a method",
    "debias.data.simulate": "The simulations of the parity-proxies paper",
}
"""Modules with pages of their own."""


def pages() -> Iterator[tuple[str, str]]:
    """Yield the page of the package, and one for each of `MODULES`."""
    functions, errors, values = [], [], []
    for name in debias.__all__:
        found = getattr(debias, name)
        if inspect.isclass(found):
            (errors if issubclass(found, Exception) else values).append(name)
        elif callable(found):
            functions.append(name)
    about = [
        "Every verb is a function of the same name; its arguments are the flags, described on the page of the "
        "{doc}`verb <verbs>`. A DataFrame is taken wherever a table is. What goes wrong is a `DebiasError` with every "
        "problem found.",
        "",
    ]
    lines = [*about, "## Functions", "", *_directive("autofunction", functions)]
    lines += ["## Values", "", "Their fields stand on the page of their {doc}`JSON document <json>`.", ""]
    lines += _directive("autoclass", values)
    lines += ["## Errors", "", *_directive("autoexception", errors)]
    lines += ["## Modules", "", *contents([f"python/{module}" for module in MODULES])]
    yield "reference/python.md", page("Python", lines)
    for module, title in MODULES.items():
        text = ["```{eval-rst}", f".. automodule:: {module}", "   :members:", "```", ""]
        yield f"reference/python/{module}.md", page(f"{title}: `{module}`", text)


def _directive(kind: str, names: list[str]) -> list[str]:
    lines = ["```{eval-rst}"]
    for name in names:
        lines += [f".. {kind}:: debias.{name}", ""]
    return [*lines, "```", ""]
