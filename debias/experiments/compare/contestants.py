"""The methods that take part in a comparison, with their settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

from debias import methods
from debias.errors import DebiasError, Problem, UsageError
from debias.experiments.given import read_given
from debias.methods.base import Method
from debias.words import show

YARDSTICK = "threshold"

Settings = Mapping[str, Mapping[str, Any]]


def contestants(asked: Iterable[str | Method] | None = None, settings: Settings | None = None) -> tuple[Method, ...]:
    """Return the methods with their settings: `threshold`, then the others in the order of `methods.names`.

    Parameters
    ----------
    asked : iterable of str or Method, optional
        Names, or methods with settings of their own. Default: all. `threshold` always takes part.
    settings : mapping of str to mapping, optional
        Values by method and setting; a text is read as on the command line.

    Raises
    ------
    UsageError
        With every unknown name and every value that does not fit.
    """
    known = methods.names()
    problems: list[Problem] = []
    chosen: dict[str, Method] = {}
    for item in known if asked is None else asked:
        name = item if isinstance(item, str) else item.name
        if isinstance(item, str) and name not in known:
            problems.append(Problem(f"there is no method {show(name)}", "--methods", f"Methods: {', '.join(known)}."))
        elif name in chosen:
            problems.append(Problem(f"{name} is named twice", "--methods", "Name each method once."))
        else:
            chosen[name] = methods.load(item)() if isinstance(item, str) else item
    chosen.setdefault(YARDSTICK, methods.load(YARDSTICK)())
    for name, values in (settings or {}).items():
        if name not in chosen:
            problems.append(_no_part(name, known, list(chosen)))
            continue
        found, wrong = _values(chosen[name], values)
        problems += wrong
        try:
            chosen[name] = replace(cast(Any, chosen[name]), **found)
        except DebiasError as error:
            problems += [replace(item, where=f"{name} {item.where}".rstrip()) for item in error.problems]
    if problems:
        raise UsageError(problems)
    order = {name: place for place, name in enumerate(known)}
    return tuple(sorted(chosen.values(), key=lambda method: order.get(method.name, len(order))))


def _no_part(name: str, known: Sequence[str], chosen: Sequence[str]) -> Problem:
    if name in known:
        return Problem(f"{name} takes no part, so it needs no settings", "--set", "Name it in --methods too.")
    return Problem(f"there is no method {show(name)}", "--set", f"Methods: {', '.join(chosen)}.")


def _values(method: Method, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values that fit the settings of a method, and what is wrong with the others."""

    def unknown(name: str, own: list[str]) -> Problem:
        remedy = f"Settings of {method.name}: {', '.join(own)}." if own else f"{method.name} has no settings."
        return Problem(f"{method.name} has no setting {show(name)}", where(name), remedy)

    def unfit(name: str, value: Any, reason: str) -> Problem:
        return Problem(f"{show(value)} does not fit", where(name), reason)

    def where(name: str) -> str:
        return f"--set {method.name}.{name}"

    return read_given(type(method), given, unknown=unknown, unfit=unfit)


def flags(chosen: Sequence[Method]) -> list[str]:
    """Return what the command line says of these methods; nothing for all of them as they are."""
    names = [method.name for method in chosen]
    parts = [] if set(names) == set(methods.names()) else ["--methods", ",".join(names)]
    for method in chosen:
        for item in fields(cast(Any, method)):
            value = getattr(method, item.name)
            if value != item.default:
                parts += ["--set", f"{method.name}.{item.name}={value}"]
    return parts
