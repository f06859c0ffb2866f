"""A page for every verb: its help and its flags, from the command line itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import typer

from _pages.markup import code, contents, page, text
from debias.cli.main import EPILOG, app

PANELS = ("Model", "Data", "Constraint", "Search", "Output")


def commands() -> dict[str, Any]:
    """Return the command of every verb, in the order of ``debias --help``."""
    group = typer.main.get_command(app)
    return {name: command for name, command in group.commands.items() if not command.hidden}  # type: ignore[attr-defined]


def pages() -> Iterator[tuple[str, str]]:
    """Yield the page of each verb, and the list of them."""
    found = commands()
    lines = [text(EPILOG), "", "`debias VERB --help` prints what stands on these pages.", ""]
    for name, command in found.items():
        yield f"reference/verbs/{name}.md", page(f"debias {name}", _verb(name, command))
    yield "reference/verbs.md", page("The verbs", [*lines, *contents([f"verbs/{name}" for name in found])])


def _verb(name: str, command: Any) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield text(paragraph)
        yield ""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    usage = " ".join(["debias", name, *map(_argument, arguments), "[OPTIONS]"])
    yield from ("```text", usage, "```", "", f"```{{program}} debias {name}", "```", "")
    if arguments:
        yield from ("## Arguments", "")
        for one in arguments:
            yield from (code(one.metavar or one.name.upper()), f": {text(one.help or '')}", "")
    panels = {one.rich_help_panel for one in options}
    order = [panel for panel in PANELS if panel in panels]
    order += sorted(panel for panel in panels if panel and panel not in PANELS)
    for panel in [*order, None]:
        some = [one for one in options if one.rich_help_panel == panel]
        if some:
            yield from (f"## {panel or 'Other'}", "")
        for one in some:
            yield from _option(one)


def _argument(one: Any) -> str:
    told = one.metavar or one.name.upper()
    told += " …" if one.nargs == -1 else ""
    return told if one.required else f"[{told}]"


def _option(one: Any) -> Iterator[str]:
    value = "" if one.is_flag else f" {one.metavar or _value(one)}"
    names = ", ".join(f"{name}{value}" for name in [*one.opts, *one.secondary_opts])
    yield from (f"````{{option}} {names}", text(one.help or ""))
    facts = []
    if taken := choices(one):
        facts.append(f"One of {', '.join(map(code, taken))}.")
    if one.required:
        facts.append("Required.")
    elif (default := _default(one)) and "Default:" not in (one.help or ""):
        facts.append(f"Default: {code(default)}.")
    if facts:
        yield from ("", " ".join(facts))
    yield from ("````", "")


def _value(one: Any) -> str:
    return one.name.upper()


def choices(one: Any) -> list[str]:
    """Return the only values that a flag takes, where there are such."""
    found = []
    for kind in (hint := one.type_descriptor.annotation, *get_args(hint)):
        if isinstance(kind, type) and issubclass(kind, Enum):
            found += [str(item.value) for item in kind]
        elif get_origin(kind) is Literal:
            found += [str(item) for item in get_args(kind)]
    if not found and get_origin(hint) is Literal:
        found = [str(item) for item in get_args(hint)]
    return list(dict.fromkeys(found))


def _default(one: Any) -> str:
    if one.default in (None, "", ()) or (one.is_flag and not one.secondary_opts):
        return ""
    if one.is_flag:
        return one.opts[0] if one.default else one.secondary_opts[0]
    return str(one.default.value if isinstance(one.default, Enum) else one.default)
