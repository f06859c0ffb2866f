"""What a shell offers after the tab key: columns of the table, names of methods, kinds, verbs, views and words."""

from __future__ import annotations

import contextlib
import csv
import gzip
import re
from collections.abc import Callable, Iterable
from copy import copy
from pathlib import Path
from typing import Annotated, Any, get_origin

import typer
from typer.models import OptionInfo, ParameterInfo

from debias.cli.settings import VERBS, settings_of_verbs

Completion = Callable[[typer.Context, str], list[str]]

_SAFE = re.compile(r"[\w.,+@%/-]+")
"""Names that a shell takes as they stand; others would need quotes that a half-typed word does not have."""

_HEADER = 2**16


def completed(hint: Any) -> Any:
    """Return the annotation of a field with what its metavar stands for offered to the shell."""
    if get_origin(hint) is not Annotated:
        return hint
    return Annotated[(hint.__origin__, *map(_with_completion, hint.__metadata__))]


def _with_completion(info: Any) -> Any:
    offered = _OFFERED.get(str(info.metavar)) if isinstance(info, ParameterInfo) else None
    if offered is None or info.autocompletion is not None:
        return info
    info = copy(info)
    info.autocompletion = _separated(offered) if isinstance(info, OptionInfo) and info.metavar in _LISTS else offered
    return info


def columns(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the columns of the table that the command line, or the configuration, names as ``--data``."""
    table = ctx.params.get("data") or _configured(ctx)
    names = _header(Path(table)) if table is not None else []
    return [name for name in names if name.startswith(incomplete) and _SAFE.fullmatch(name)]


def metrics(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return names of metrics, the short ones last."""
    from debias.cli.choices import Metric

    return _starting(sorted((one.value for one in Metric), key=lambda name: "-" not in name), incomplete)


def methods(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return names of methods."""
    from debias.methods import names

    return _starting(names(), incomplete)


def kinds(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return kinds of networks."""
    from debias.training.kinds import KINDS

    return _starting([*KINDS, "mlp"] if ctx.info_name == "train" else KINDS, incomplete)


def verbs(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return verbs that take a configuration."""
    return _starting(VERBS, incomplete)


def views(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return names of regulatory views."""
    from debias.report.regulations import ids

    return _starting(ids(), incomplete)


def words(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return words of the glossary."""
    from debias.report.glossary import terms

    return _starting([term.name for term in terms()], incomplete)


_OFFERED: dict[str, Completion] = {
    "COLUMN": columns,
    "COLUMNS": columns,
    "METRIC": metrics,
    "NAMES": methods,
    "KIND": kinds,
    "KIND...": kinds,
    "KINDS": kinds,
    "TERM": words,
    "VERB": verbs,
    "VIEW": views,
}
_LISTS = ("COLUMNS", "NAMES", "KINDS")


def _separated(offered: Completion) -> Completion:
    """Return what completes the last of several names with commas between."""

    def after_comma(ctx: typer.Context, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in offered(ctx, last) if "," not in name]

    return after_comma


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _configured(ctx: typer.Context) -> Any:
    """Return the table of the configuration; a broken one is told by the run, not by the tab key."""
    from debias.cli.configuration import load
    from debias.errors import DebiasError

    with contextlib.suppress(DebiasError, OSError):
        held = load(settings_of_verbs(), named=ctx.params.get("config"), verb=ctx.info_name).of(str(ctx.info_name))
        return held["data"].value if "data" in held else None
    return None


def _header(path: Path) -> list[str]:
    """Return the names in the first line of a CSV file; nothing where that would cost more than a glance."""
    with contextlib.suppress(OSError, EOFError, UnicodeDecodeError, csv.Error, gzip.BadGzipFile):
        if path.suffixes[-1:] == [".csv"]:
            with path.open("rb") as stream:
                first = stream.readline(_HEADER)
        elif path.suffixes[-2:] == [".csv", ".gz"]:
            with gzip.open(path) as packed:
                first = packed.readline(_HEADER)
        else:
            return []
        if len(first) == _HEADER and not first.endswith(b"\n"):
            return []
        return next(csv.reader([first.decode("utf-8-sig")]), [])
    return []
