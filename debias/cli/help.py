"""`debias help`: the glossary in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from debias.cli.common import Json
from debias.cli.output import show_json, show_text
from debias.cli.verbs import verb
from debias.errors import UsageError

if TYPE_CHECKING:
    from debias.report.glossary import Term


@dataclass(frozen=True, kw_only=True)
class HelpOptions:
    """Which word."""

    term: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TERM",
            help="Metric, figure, verdict, method or another word of a report, by name or alias; a verb too. Without: "
            "the list of all.",
            show_default=False,
        ),
    ] = None
    json: Json = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "help", HelpOptions, bare=True, configured=False)
    def help(options: HelpOptions) -> int:
        """Say what a word of a report means: formula, range, when it is undefined, and where it comes from.

        Metrics with their aliases, figures, intervals, verdicts, methods, kinds of networks. Alone it lists all.
        """
        from debias.report.glossary import find, terms
        from debias.report.glossary.lines import list_lines, term_lines

        width = min(get_terminal_size().columns, 110)
        if not options.term:
            _show(list(terms()), list_lines(terms(), width), options.json)
            return 0
        word = " ".join(options.term)
        try:
            found = find(word)
        except UsageError:
            if word in _verbs(app):
                return _help_of(app, word)
            raise
        lines: list[str] = []
        for term in found:
            lines += ["", *term_lines(term, width)] if lines else term_lines(term, width)
        _show(list(found), lines, options.json)
        return 0


def _verbs(app: typer.Typer) -> set[str]:
    return {str(command.name) for command in app.registered_commands}


def _help_of(app: typer.Typer, name: str) -> int:
    """Print the help of a verb, as ``debias NAME --help`` does."""
    app([name, "--help"], prog_name="debias", standalone_mode=False)
    return 0


def _show(terms: list[Term], lines: list[str], json: bool) -> None:
    if json:
        from json import dumps

        value: list[dict[str, Any]] = [term.content() for term in terms]
        show_json(dumps(value, indent=2, ensure_ascii=False) + "\n")
        return
    show_text("\n".join(lines))
