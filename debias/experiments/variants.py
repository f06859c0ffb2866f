"""The kinds of networks that take part in a cross-validation, with their settings and baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from debias.errors import DebiasError, Problem, UsageError
from debias.experiments.given import read_given
from debias.training.kinds import KINDS, Kind
from debias.training.settings import Settings
from debias.words import listing, show

BASELINES: Mapping[str, str] = {
    "fair-adb-medl": "medl",
    "fair-adb-da": "da",
    "fair-acl-da": "da",
    "fair-adb-nnet": "nnet",
}
"""What a kind is compared with by default: the same without what makes it fairer."""
ADVERSARIES = "attr"
"""In place of a setting: the attributes that a variant is debiased on, ``attr=sex+age``."""


@dataclass(frozen=True)
class Variant:
    """A kind of network with settings.

    Parameters
    ----------
    name : str
        As it was asked for: ``fair-adb-medl:lambda_fair=1``.
    kind : Kind
    settings : Settings
    attributes : tuple of str
        Attributes that it is debiased on, and by whose dispersion among other things the epoch is chosen, which kinds
        that debias none do too.
    """

    name: str
    kind: Kind
    settings: Settings
    attributes: tuple[str, ...] = ()

    @property
    def adversaries(self) -> tuple[str, ...]:
        """Attributes that the loss of the variant has a part for."""
        return self.attributes if self.kind.needs_attributes or self.settings.lambda_swap > 0 else ()


def variants(
    asked: Sequence[str],
    attributes: Sequence[str],
    *,
    shared: Mapping[str, Any] | None = None,
    adversaries: Sequence[str] | None = None,
) -> tuple[Variant, ...]:
    """Return what takes part, in the order in which it was asked for.

    Parameters
    ----------
    asked : sequence of str
        ``KIND`` or ``KIND:NAME=VALUE,NAME=VALUE``; a piece without an equals sign belongs to the value before it
        (``hidden=64,32``). ``attr=sex+age`` names the attributes to debias.
    attributes : sequence of str
        Protected attributes of the run.
    shared : mapping of str to object, optional
        Settings of all; texts are read as on the command line.
    adversaries : sequence of str, optional
        Attributes to debias where a variant names none. Default: all.

    Raises
    ------
    UsageError
        With every unknown kind, setting or attribute, every value that does not fit, and what is asked for twice.
    """
    problems: list[Problem] = []
    found: dict[str, Variant] = {}
    if not asked:
        problems.append(Problem("no kind of network is named", "KIND", f"Give one or more of {listing(KINDS)}."))
    base, wrong = read_settings(shared or {}, "--set")
    problems += wrong
    problems += _unknown(adversaries or (), attributes, "--debias-attr")
    for text in asked:
        name, _, rest = text.partition(":")
        own, wrong = _pieces(rest, text)
        problems += wrong
        told = own.pop(ADVERSARIES, None)
        chosen = tuple(told.split("+")) if told else tuple(adversaries or attributes)
        problems += _unknown(chosen if told else (), attributes, text)
        values, wrong = read_settings(own, text)
        problems += wrong
        if name not in KINDS:
            problems.append(Problem(f"unknown kind of network {show(name)}", "KIND", f"Kinds: {listing(KINDS)}."))
            continue
        if text in found:
            problems.append(Problem(f"{show(text)} is named twice", "KIND", "Name each once."))
        kind = KINDS[name]
        try:
            settings = Settings(**{**base, **values})
        except DebiasError as error:
            problems += [Problem(item.found, f"{text} {item.where}".strip(), item.remedy) for item in error.problems]
            continue
        found[text] = Variant(text, kind, settings, chosen)
    if problems:
        raise UsageError(dict.fromkeys(problems))
    return tuple(found.values())


def baselines(chosen: Sequence[Variant], asked: str | None = None) -> dict[str, str]:
    """Return the name of each variant's baseline, of those that have one.

    Parameters
    ----------
    chosen : sequence of Variant
    asked : str, optional
        Name of a variant, or a kind, that all others are compared with. Default: `BASELINES`, where that kind takes
        part.

    Raises
    ------
    UsageError
        The baseline that is asked for takes no part.
    """
    by_kind: dict[str, str] = {}
    for item in chosen:
        by_kind.setdefault(item.kind.name, item.name)
    names = {item.name: item.name for item in chosen}
    if asked is not None:
        one = names.get(asked) or by_kind.get(asked)
        if one is None:
            found = f"{show(asked)} takes no part, so nothing can be compared with it"
            raise UsageError(Problem(found, "--baseline", f"Name it among the kinds; they are {listing(names)}."))
        return {item.name: one for item in chosen if item.name != one}
    pairs = ((item.name, by_kind.get(BASELINES.get(item.kind.name, ""))) for item in chosen)
    return {name: baseline for name, baseline in pairs if baseline is not None}


def read_settings(given: Mapping[str, Any], where: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return values of `Settings` by name, texts read as on the command line, and what is wrong with others."""
    return read_given(
        Settings,
        given,
        unknown=lambda name, own: Problem(f"there is no setting {show(name)}", where, f"Settings: {', '.join(own)}."),
        unfit=lambda name, value, reason: Problem(f"{name} = {show(value)} does not fit", where, reason),
    )


def _pieces(text: str, where: str) -> tuple[dict[str, str], list[Problem]]:
    found: dict[str, str] = {}
    problems = []
    last = ""
    for piece in filter(None, text.split(",")):
        name, equals, value = piece.partition("=")
        if not equals and last:
            found[last] += f",{piece}"
        elif not (equals and name and value):
            problems.append(Problem(f"{show(piece)} is not of the form NAME=VALUE", where))
        elif name in found:
            problems.append(Problem(f"{show(name)} is given twice", where, "Give it once."))
        else:
            last = name
            found[name] = value
    return found, problems


def _unknown(names: Sequence[str], attributes: Sequence[str], where: str) -> list[Problem]:
    return [
        Problem(f"{show(name)} is none of the protected attributes", where, f"They are {listing(attributes)}.")
        for name in names
        if name not in attributes
    ]
