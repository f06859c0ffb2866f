"""A verb's options are a dataclass; its command line follows from it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

import typer

from debias.cli.guard import guarded
from debias.flags import Flag

MODEL, DATA, CONSTRAINT, SEARCH, OUTPUT = "Model", "Data", "Constraint", "Search", "Output"
"""Panels of the help, in which flags stand together."""

Options = TypeVar("Options")


def with_settings(options: type[Options], settings: type, name: str, *, asked: bool = False) -> type[Options]:
    """Return options with those of `settings` beside them, a dataclass whose fields are annotated with a `Flag`.

    Settings of several numbers are one text with commas. Where only what was `asked` counts, a setting that the command
    line does not name is None; its default is told by the help.
    """
    hints = get_type_hints(settings, include_extras=True)
    own = [
        (item.name, _option(hints[item.name], item, asked), dataclasses.field(default=None if asked else _text(item)))
        for item in dataclasses.fields(settings)
    ]
    return dataclasses.make_dataclass(name, own, bases=(options,), frozen=True, kw_only=True)


def _option(hint: Any, item: dataclasses.Field[Any], asked: bool) -> Any:
    """Return the typer annotation of a setting that is annotated with a `Flag`."""
    flag = next(one for one in hint.__metadata__ if isinstance(one, Flag))
    text, kind = flag.help, str if get_origin(hint.__origin__) is tuple else hint.__origin__
    if asked:
        kind = kind | None
        if item.default is not None:
            text = f"{text} Default: {_told(item)}."
    option = typer.Option(flag.on_command_line(item.name), metavar=flag.metavar, help=text, rich_help_panel=SEARCH)
    return Annotated[kind, option]


def _text(item: dataclasses.Field[Any]) -> Any:
    return ",".join(map(str, item.default)) if isinstance(item.default, tuple) else item.default


def _told(item: dataclasses.Field[Any]) -> Any:
    return {True: "yes", False: "no"}[item.default] if isinstance(item.default, bool) else _text(item)


def verb(
    app: typer.Typer, name: str, options: type[Options], *, bare: bool = False
) -> Callable[[Callable[[Options], int]], None]:
    """Make a function of an options value into the command `name` of `app`.

    Parameters
    ----------
    app : Typer
        The command line.
    name : str
        The verb.
    options : dataclass
        Fields with typer annotations.
    bare : bool
        The verb alone does something; otherwise it shows its help.

    Returns
    -------
    callable
        Decorator for a function that takes the options and returns the exit code. Its docstring is the help.
    """

    def register(function: Callable[[Options], int]) -> None:
        def command(**values: Any) -> None:
            raise typer.Exit(guarded(functools.partial(function, options(**values))))

        hints = get_type_hints(options, include_extras=True)
        fields = dataclasses.fields(options)  # type: ignore[arg-type]
        parameters = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
                annotation=hints[field.name],
            )
            for field in sorted(fields, key=lambda field: field.name != "model")
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {field.name: hints[field.name] for field in fields}
        command.__doc__ = _flowing(function.__doc__ or "")
        app.command(name, no_args_is_help=not bare)(command)

    return register


def _flowing(text: str) -> str:
    """Return a docstring with each paragraph on one line, for the terminal to break."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))
