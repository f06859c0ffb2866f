"""`debias config`: what holds for a verb, and where it was set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from debias.cli.common import Json
from debias.cli.configuration import Configuration, Held, load
from debias.cli.guard import complain
from debias.cli.output import show_json, show_text
from debias.cli.settings import Setting, settings_of_verbs
from debias.cli.verbs import OUTPUT, verb
from debias.errors import Problem, UsageError
from debias.report.text import visible


@dataclass(frozen=True, kw_only=True)
class ConfigOptions:
    """Whose settings are shown, and from which file."""

    verb: Annotated[
        str | None,
        typer.Argument(
            metavar="VERB", help="Show every setting of this verb. Without: what is set, of all.", show_default=False
        ),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Configuration file. Default: as for the verbs, the nearest from the working directory upwards.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    json: Json = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "config", ConfigOptions, bare=True, configured=False)
    def config(options: ConfigOptions) -> int:
        """Show what holds where no flag says otherwise, and where it was set.

        A flag goes before an environment variable (DEBIAS_AUDIT_EPS, or DEBIAS_EPS for all verbs), that before the
        nearest debias.toml or pyproject.toml (section tool.debias), that before the default. File and environment are
        checked whole: unknown keys and values of another kind end with exit code 2.
        """
        verbs = settings_of_verbs()
        if options.verb is not None and options.verb not in verbs:
            found = f"{options.verb!r} is no verb that takes a configuration"
            near = get_close_matches(options.verb, verbs, 1)
            remedy = f"Did you mean {near[0]}?" if near else f"Name one of: {', '.join(verbs)}."
            raise UsageError(Problem(found, "VERB", remedy))
        held = load(verbs, named=options.config, verb=options.verb)
        for problem in held.unknown:
            complain("warning", problem)
        rows = _of_all(held, verbs) if options.verb is None else _of_one(held.of(options.verb), verbs[options.verb])
        path = None if held.path is None else os.path.relpath(held.path)
        if options.json:
            show_json(_dumps({"file": path, "verb": options.verb, "settings": rows}))
        else:
            _show(path, rows, options.verb)
        return 0


def _of_one(held: Mapping[str, Held], settings: Mapping[str, Setting]) -> list[dict[str, Any]]:
    """Return every setting of a verb with its value and source."""
    rows = []
    for key, setting in settings.items():
        one = held.get(key)
        default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
        rows.append(
            {
                "key": key,
                "value": default if one is None else one.value,
                "source": "default" if one is None else one.source,
                "where": None if one is None else one.where,
                "required": setting.required,
            }
        )
    return rows


def _of_all(configuration: Configuration, verbs: Mapping[str, Mapping[str, Setting]]) -> list[dict[str, Any]]:
    """Return what is set anywhere, each once with the verbs that it holds for."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name in verbs:
        for key, one in configuration.of(name).items():
            row = {"key": key, "value": one.value, "source": one.source, "where": one.where, "verbs": []}
            found.setdefault((key, one.where), row)["verbs"].append(name)
    return list(found.values())


def _show(path: str | None, rows: list[dict[str, Any]], name: str | None) -> None:
    if path is None:
        lines = ["No configuration file: no debias.toml and no [tool.debias] of a pyproject.toml from here upwards."]
    else:
        lines = [f"Configuration file: {visible(path)}"]
    if not rows:
        show_text("\n".join([*lines, "Nothing is set."]))
        return
    header = ("setting", "value", "from", *(() if name else ("holds for",)))
    cells = [
        (
            row["key"],
            _value(row),
            visible(row["where"] or row["source"]),
            *(() if name else (", ".join(row["verbs"]),)),
        )
        for row in rows
    ]
    show_text("\n".join([*lines, "", *_table([header, *cells])]))


def _value(row: dict[str, Any]) -> str:
    value = row["value"]
    if value is None:
        return "required" if row.get("required") else "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    return visible(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with all columns but the last as wide as their longest cell, within reason."""
    widths = [min(60, max(len(row[column]) for row in rows)) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def _dumps(document: object) -> str:
    from json import dumps

    return dumps(document, indent=2) + "\n"
