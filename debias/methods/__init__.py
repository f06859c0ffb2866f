"""The methods of repair: every module of this package that holds one is a verb."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from debias.methods.base import Method

_HELPERS = {"base", "fitting", "ruling", "search"}


def names() -> tuple[str, ...]:
    """Return the names of all methods, the yardstick first; imports none of them."""
    found = {module.name for module in pkgutil.iter_modules(__path__)} - _HELPERS
    return ("threshold", *sorted(found - {"threshold"}))


def load(name: str) -> type[Method]:
    """Return the method of that name."""
    module = import_module(f"{__name__}.{name}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Method) and vars(value).get("name") == name
    )
