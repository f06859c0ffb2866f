"""Reports read back from their JSON, whatever verb wrote them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from debias.errors import Problem, UsageError
from debias.inputs import read_input
from debias.words import bare

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from debias.report.values.every import Value

MOST = 64 << 20
"""Largest report that is read, in bytes."""

_TOLD = 20


def read(path: Path) -> tuple[Value, bytes]:
    """Return the value that a JSON report holds, and its bytes.

    A report of an older version with the same major number of its layout is read as one of this version: what it did
    not tell then is left open.

    Parameters
    ----------
    path : Path
        File written by ``--report FILE.json`` or ``--json``.

    Raises
    ------
    UsageError
        It cannot be read, is no report, or of a layout that this version does not know; with every problem of a
        report that is broken.
    """
    where = bare(path)
    data = _bytes(path, where)
    return parse(data, where), data


def parse(data: bytes, where: str) -> Value:
    """Return the value of a JSON report, of a job of a fleet that of its report; `where` names it in messages."""
    document = _document(data, where)
    if _is_job(document):
        document, where = _of_job(document, where), f"{where}, report"
    value = _value(document, _kind(document, where), where)
    _check_whole(value, where)
    return value


def read_document(path: Path, where: str) -> dict[str, Any]:
    """Return the JSON of a report of whatever version, unchecked; `where` names it in messages, see `read`."""
    return _document(_bytes(path, where), where)


def _bytes(path: Path, where: str) -> bytes:
    try:
        return read_input(path, MOST)
    except OSError as error:
        _refuse(f"cannot be read ({error.strerror or error})", where, "Check the path.")
    except ValueError:
        _refuse("is no usable name", where, "Check the path.")


def _document(data: bytes, where: str) -> dict[str, Any]:
    if len(data) > MOST:
        _refuse(f"is larger than {MOST >> 20} MiB", where, "Is this the report?")
    from pydantic_core import from_json

    try:
        # unlike the standard library's reader it takes neither NaN nor half a surrogate pair
        document = from_json(data.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        _refuse(f"is no JSON: {bare(error)}", where, "Give a .json report of debias.")
    if not isinstance(document, dict):
        _refuse(f"holds a JSON {type(document).__name__}, no report", where, "Give a .json report of debias.")
    return document


def _is_job(document: dict[str, Any]) -> bool:
    return all(name in document for name in ("schema_version", "key", "model", "status", "report"))


def _of_job(document: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the report of a job of a fleet; UsageError with what its run said where it has none."""
    report = document["report"]
    if not isinstance(report, dict):
        told = document.get("problems")
        reasons = [one.get("found") for one in told if isinstance(one, dict)] if isinstance(told, list) else []
        said = f": {bare('; '.join(map(str, reasons)))}" if reasons else ""
        _refuse(f"is a job without a report ({bare(document['status'])}){said}", where, "See the summary of its fleet.")
    return report


@cache
def _kinds() -> dict[str, type[BaseModel]]:
    """Return the values by the verb that their files tell; those of audits and repairs tell many."""
    from debias.report.as_json import SCHEMA_FILES

    fields = {kind: kind.model_fields.get("verb") for kind, _ in SCHEMA_FILES.values()}
    return {str(verb.default): kind for kind, verb in fields.items() if verb is not None and not verb.is_required()}


def _check_whole(value: Value, where: str) -> None:
    """Refuse a report whose parts do not belong together: one that cannot be told in words."""
    from debias.report.content.every import document_of

    try:
        document_of(value)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        found = f"contradicts itself ({type(error).__name__}: {bare(error)})"
        _refuse(found, where, "The file was changed after it was written. Repeat the run.")


def _kind(document: dict[str, Any], where: str) -> type[BaseModel]:
    from debias.report.values.inspection import Inspection
    from debias.report.values.report import Report

    verb = document.get("verb")
    if isinstance(verb, str) and verb in _kinds():
        return _kinds()[verb]
    if isinstance(verb, str) and "verdict" in document and "metric" in document:
        return Report
    if verb is None and "methods" in document and "layers" in document:
        return Inspection
    raise UsageError(Problem("is no report of debias", where, "Give a file that --report FILE.json or --json wrote."))


def _value(document: dict[str, Any], kind: type[BaseModel], where: str) -> Value:
    from pydantic import ValidationError

    document = _upgraded(document, kind, where)
    try:
        return kind.model_validate(document)  # type: ignore[return-value]
    except ValidationError as error:
        raise UsageError(_problems(error, where)) from None


def _upgraded(document: Any, kind: type[BaseModel], where: str) -> Any:
    """Return the content, and all values within, under the layout of this version.

    Raises
    ------
    UsageError
        A newer version wrote it, or one with another major number.
    """
    if not isinstance(document, dict):
        return document
    known = str(kind.model_fields["schema_version"].default)
    told = document.get("schema_version")
    if not isinstance(told, str) or re.fullmatch(r"\d{1,4}\.\d{1,4}", told) is None:
        _refuse("tells no version of its layout", where, "Give a file that --report FILE.json or --json wrote.")
    theirs, ours = (tuple(map(int, text.split("."))) for text in (told, known))
    writer = f"debias {bare(document.get('debias_version', 'of unknown version'))}"
    if theirs > ours:
        remedy = "Install the version that wrote it, or a newer one."
        _refuse(f"has the layout {told} of {writer}; this version reads up to {known}", where, remedy)
    if theirs[0] < ours[0]:
        remedy = "Repeat the run with this version, or read the report with the one that wrote it."
        _refuse(f"has the layout {told} of {writer}; this version reads {ours[0]}.x", where, remedy)
    document = {**document, "schema_version": known}
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and "schema_version" in getattr(inner, "model_fields", {}):
            document[name] = _upgraded(document.get(name), inner, f"{where}, {name}")
    return document


def _problems(error: ValidationError, where: str) -> list[Problem]:
    """Return what is wrong where, the first problems in full."""
    found = [
        Problem(_sentence(item["msg"]), f"{where}, {bare('.'.join(map(str, item['loc'])))}")
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    if len(found) > _TOLD:
        found[_TOLD:] = [Problem(f"{len(found) - _TOLD} more entries are wrong", where)]
    remedy = "The file was changed after it was written, or is no report of this kind. Repeat the run."
    return [*found[:-1], Problem(found[-1].found, found[-1].where, remedy)]


def _sentence(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"


def _refuse(found: str, where: str, remedy: str) -> NoReturn:
    raise UsageError(Problem(found, where, remedy))
