"""The glossary as lines of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from debias.report.glossary.term import Term, Theme

_INDENT = 13


def list_lines(terms: Sequence[Term], width: int) -> list[str]:
    """Return every term with its sentence, by theme, in lines of at most `width` characters."""
    lines: list[str] = []
    for theme in Theme:
        found = [term for term in terms if term.theme is theme]
        if not found:
            continue
        lines += [theme.value, ""]
        names = [f"{term.name} ({term.aliases[0]})" if theme is Theme.METRIC else term.name for term in found]
        longest = max(map(len, names))
        for name, term in zip(names, found, strict=True):
            lines += _wrapped(term.brief, width, f"  {name.ljust(longest)}  ")
        lines.append("")
    return [*lines, "debias help TERM says all that is known of one."]


def term_lines(term: Term, width: int) -> list[str]:
    """Return all that is known of a term, in lines of at most `width` characters."""
    about = term.theme.value.partition(":")[0]
    lines = [*_wrapped(f"{term.title}: {about[0].lower()}{about[1:]}", width), ""]
    for paragraph in (term.brief, *term.text):
        lines += [*_wrapped(paragraph, width), ""]
    before = ""
    for heading, text in term.entries():
        lines += _wrapped(text, width, f"  {heading if heading != before else ''}".ljust(_INDENT))
        before = heading
    while lines[-1] == "":
        lines.pop()
    return lines


def _wrapped(text: str, width: int, start: str = "") -> list[str]:
    """Return `text` behind `start`, the lines below indented as far."""
    return textwrap.wrap(
        text,
        max(width, len(start) + 30),
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
        break_long_words=False,
    )
