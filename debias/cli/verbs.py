"""A verb's options are a dataclass; its command line and its configuration follow from it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

import typer
from typer.core import TyperCommand

from debias.cli.completion import completed
from debias.cli.configuration import Configuration, load
from debias.cli.guard import complain, guarded
from debias.cli.settings import VERBS, settings_of, settings_of_verbs
from debias.cli.sources import naming_sources
from debias.flags import Flag
from debias.locks import holding

MODEL, DATA, CONSTRAINT, SEARCH, OUTPUT = "Model", "Data", "Constraint", "Search", "Output"
"""Panels of the help, in which flags stand together."""

Options = TypeVar("Options")

_CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Take what no flag gives from FILE. Default: the nearest debias.toml, or pyproject.toml with a section "
        "tool.debias, from the working directory upwards.",
    ),
]
_NO_CONFIG = Annotated[
    bool, typer.Option("--no-config", help="Flags alone: no configuration file, no DEBIAS_ variables.")
]


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
    app: typer.Typer, name: str, options: type[Options], *, bare: bool = False, configured: bool = True
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
        The verb alone does something; otherwise it shows its help, unless a configuration gives all that it needs.
    configured : bool
        What no flag gives may come from environment and file.

    Returns
    -------
    callable
        Decorator for a function that takes the options and returns the exit code. Its docstring is the help.
    """

    hints = {key: completed(hint) for key, hint in get_type_hints(options, include_extras=True).items()}
    parameters = list(_parameters(options, hints, configured))
    own = [field.name for field in dataclasses.fields(options)]  # type: ignore[arg-type]
    if configured:
        VERBS[name] = functools.cache(functools.partial(settings_of, options, hints))

    def register(function: Callable[[Options], int]) -> None:
        def command(context: typer.Context, **values: Any) -> None:
            given = {key: values[key] for key in own}
            run: Callable[[], int] = functools.partial(function, options(**given))
            if configured:
                run = naming_sources(run, VERBS[name](), context.obj.of(name), given)
            raise typer.Exit(guarded(functools.partial(_alone, run)))

        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        command.__doc__ = _flowing(function.__doc__ or "")
        app.command(name, no_args_is_help=not bare, cls=Verb if configured else None)(command)

    return register


def _alone(run: Callable[[], int]) -> int:
    """Run a verb; no other run writes its files meanwhile."""
    with holding():
        return run()


def _parameters(options: type, hints: Mapping[str, Any], configured: bool) -> Iterator[inspect.Parameter]:
    """Yield what the command of a verb takes: typer's context, the options, and where others come from."""

    def parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    yield parameter("context", typer.Context)
    for field in sorted(dataclasses.fields(options), key=lambda field: field.name != "model"):
        required = field.default is dataclasses.MISSING
        yield parameter(field.name, hints[field.name], inspect.Parameter.empty if required else field.default)
    if configured:
        yield parameter("config", _CONFIG, None)
        yield parameter("no_config", _NO_CONFIG, False)


class Verb(TyperCommand):
    """A command that takes from a configuration what no flag gives."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; what holds besides is told to it as defaults, and kept as the context's `obj`."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        given = self.make_parser(ctx).parse_args(args=list(args))[0]
        ctx.obj = held = Configuration()
        if not given.get("help") and not given.get("no_config"):
            named = Path(given["config"]) if given.get("config") else None
            ctx.obj = held = load(settings_of_verbs(), named=named, verb=str(self.name))
        settings = VERBS[str(self.name)]()
        values = held.of(str(self.name))
        if not args and values and all(key in values for key, one in settings.items() if one.required):
            self.no_args_is_help = False
        if args or not self.no_args_is_help:
            ctx.default_map = {settings[key].field: one.value for key, one in values.items()}
            for problem in held.unknown:
                complain("warning", problem)
        return super().parse_args(ctx, args)


def _flowing(text: str) -> str:
    """Return a docstring with each paragraph on one line, for the terminal to break."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))
