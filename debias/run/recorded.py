"""What the record in a repaired file says of the run: enough to count its figures again from the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from debias.errors import ModelError, Problem
from debias.run.request import Request

_OF_THE_MACHINE = frozenset(
    {"model", "data", "train", "test", "contract", "out", "force", "keep_best", "device"}
    | {"stream", "batch_rows", "workers", "ray"}
)
_OF_THE_AUDIT = frozenset({"draws", "fresh_adversary"})
_SETTLED_ELSEWHERE = frozenset({"verb", "task", "trust"})
KEPT = tuple(
    item.name for item in fields(Request) if item.name not in _OF_THE_MACHINE | _OF_THE_AUDIT | _SETTLED_ELSEWHERE
)
"""Fields of a request that choose rows, groups and measures. No path is among them: files are passed on."""

OF_THE_SOURCE = frozenset({"threshold", "decision", "output_kind", "features", "ignore"})
"""Fields of a request that speak of the network before; the contract of the file tells its own."""


def asked(request: Request) -> dict[str, Any]:
    """Return the fields of a request that are not at their default, as JSON values."""
    given = {name: getattr(request, name) for name in KEPT}
    defaults = {item.name: item.default for item in fields(Request)}
    told = {name: value for name, value in given.items() if value is not None and value != defaults[name]}
    found: dict[str, Any] = TypeAdapter(dict[str, Any]).dump_python(told, mode="json")
    return found


def request_of(record: Mapping[str, Any], where: str, **files: Any) -> Request:
    """Return the request that a record tells, on files that are given anew.

    Parameters
    ----------
    record : mapping
        Of a repaired file.
    where : str
        The file, for messages.
    **files
        `model`, `data`, `train`, `test`, `contract`, `trust`, `device`: arguments of the request.

    Raises
    ------
    ModelError
        The record tells none: the file was trained, or written by an earlier version.
    UsageError
        The request of an edited record makes no sense.
    """
    told = record.get("request")
    if not isinstance(told, dict) or set(told) - set(KEPT) or "attr" not in told:
        found = "its record does not tell how rows were chosen and counted"
        raise ModelError(Problem(found, where, "--recount is for files that a repair of this version wrote."))
    try:
        return TypeAdapter(Request).validate_python({"verb": str(record.get("method")), **told, **files})
    except ValidationError as error:
        reasons = "; ".join(sorted({f"{item['loc']}: {item['msg']}" for item in error.errors(include_url=False)}))
        raise ModelError(Problem(f"the request in its record makes no sense ({reasons})", where)) from None
