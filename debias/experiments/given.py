"""Settings that are given by name, texts among them read as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from debias.errors import Problem


def read_given(
    kind: Any,
    given: Mapping[str, Any],
    *,
    unknown: Callable[[str, list[str]], Problem],
    unfit: Callable[[str, Any, str], Problem],
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values that fit the fields of a dataclass, by name, and what is wrong with the others.

    Parameters
    ----------
    kind : dataclass
        Its annotated fields are the settings; their names may be written with dashes.
    given : mapping of str to any
        Values by setting.
    unknown : callable
        Makes the problem of a name that is no setting from it and the settings there are.
    unfit : callable
        Makes the problem of a value that does not fit from the name as written, the value and the reason.
    """
    hints = get_type_hints(kind)
    own = [item.name for item in fields(kind)]
    found: dict[str, Any] = {}
    problems = []
    for written, value in given.items():
        name = written.replace("-", "_")
        if name not in own:
            problems.append(unknown(written, own))
            continue
        try:
            found[name] = _read(hints[name], value)
        except ValidationError as error:
            reasons = dict.fromkeys(str(item["msg"]) for item in error.errors(include_url=False))
            problems.append(unfit(written, value, f"{'; '.join(reasons)}."))
    return found, problems


def _read(hint: Any, value: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    if not isinstance(value, str):
        return adapter.validate_python(value)
    if value.lower() == "none":
        try:
            return adapter.validate_python(None)
        except ValidationError:
            pass  # a text like any other
    if get_origin(hint) is tuple:
        return adapter.validate_python([item for item in value.split(",") if item])
    return adapter.validate_strings(value)
