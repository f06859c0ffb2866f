"""Every error that a user can meet: what was found, where, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Parameters
    ----------
    found : str
        What was found, with the value.
    where : str
        File, column, row number or layer path. May be empty.
    remedy : str
        The way out: the flag, the edit or the command that mends it. May be empty.
    """

    found: str
    where: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}" if self.where else self.found
        return f"{text}\n  {self.remedy}" if self.remedy else text


class DebiasError(Exception):
    """Base of all errors that end a run with exit code 2.

    Parameters
    ----------
    problems : str, Problem or iterable of Problem
        All problems of the input, reported at once.
    """

    exit_code = 2

    def __init__(self, problems: str | Problem | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        if isinstance(problems, Problem):
            problems = (problems,)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Return what each call returns; where some fail, raise the problems of all of them at once.

    Raises
    ------
    DebiasError
        Of the one class that failed, where it was one.
    """
    results, errors = [], []
    for call in calls:
        try:
            results.append(call())
        except DebiasError as error:
            errors.append(error)
    if errors:
        kinds = {type(error) for error in errors}
        problems = dict.fromkeys(problem for error in errors for problem in error.problems)
        raise (kinds.pop() if len(kinds) == 1 else DebiasError)(problems)
    return results


def was_interrupted(error: BaseException | None) -> bool:
    """Return whether an error came about because Ctrl-C broke something off: libraries turn it into others."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


class UsageError(DebiasError):
    """The command or call itself is off: flags that clash, values out of range."""


class DataError(DebiasError):
    """A table cannot be used."""


class ModelError(DebiasError):
    """A model file cannot be used, or was refused before loading."""


class ContractError(DebiasError):
    """A contract is missing, broken or at odds with the model or the table."""


class WriteError(DebiasError):
    """A result could not be written; nothing half written was left behind."""
