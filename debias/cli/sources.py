"""Where the values of a run come from: told beside what is wrong with them, and in the command that repeats it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from debias.errors import DebiasError, Problem

if TYPE_CHECKING:
    from debias.cli.configuration import Held
    from debias.cli.settings import Setting

Value = TypeVar("Value")

_overruled: ContextVar[bool] = ContextVar("overruled", default=False)


def naming_sources(
    run: Callable[[], int], settings: Mapping[str, Setting], held: Mapping[str, Held], given: Mapping[str, Any]
) -> Callable[[], int]:
    """Return `run` with what is wrong with a value of file or environment told there, not only by its flag.

    Parameters
    ----------
    run : callable
        The verb with its options.
    settings : mapping
        What can be set of the verb, by key.
    held : mapping
        What file and environment say, by key.
    given : mapping
        What the verb was given, by field.
    """
    in_force = {settings[key].flag: one for key, one in held.items() if _same(one.value, given[settings[key].field])}

    def named() -> int:
        token = _overruled.set(len(in_force) < len(held))
        try:
            return run()
        except DebiasError as error:
            raise type(error)([_placed(problem, in_force) for problem in error.problems]) from error
        finally:
            _overruled.reset(token)

    return named


def _placed(problem: Problem, in_force: Mapping[str, Held]) -> Problem:
    flag = problem.where.partition(" ")[0]
    if flag not in in_force:
        return problem
    return Problem(problem.found, f"{problem.where} (from {in_force[flag].where})", problem.remedy)


def _same(held: Any, given: Any) -> bool:
    if isinstance(given, list | tuple):
        held = held if isinstance(held, list) else [held]
        return len(held) == len(given) and all(map(_same, held, given))
    if isinstance(given, Enum):
        given = given.value
    return bool(str(held) == str(given) if isinstance(given, os.PathLike) else held == given)


def repeatable(value: Value) -> Value:
    """Return a report whose command also repeats the run where flags overruled a configuration.

    A command leaves out what is as by default. Where the configuration says otherwise, the flag that said so again
    would be missing: the command then asks for flags alone.
    """
    command = getattr(value, "command", None)
    if not _overruled.get() or not command:
        return value
    program, verb, rest = command.split(" ", 2)
    changes: dict[str, Any] = {"command": f"{program} {verb} --no-config {rest}"}
    for name in ("report", "training"):
        if getattr(getattr(value, name, None), "command", None):
            changes[name] = repeatable(getattr(value, name))
    return value.model_copy(update=changes)  # type: ignore[attr-defined, no-any-return]
