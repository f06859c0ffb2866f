"""The glossary: a page for every theme, with an anchor for every term; the methods with their settings."""

from __future__ import annotations

from collections.abc import Iterator

from _pages.markup import code, contents, page, text
from debias.report.glossary import SOURCES, Term, Theme, terms


def pages() -> Iterator[tuple[str, str]]:
    """Yield a page for each theme, the sources, and the list of them."""
    names = []
    for theme in Theme:
        found = [term for term in terms() if term.theme is theme]
        if not found:
            continue
        name = theme.name.lower()
        names.append(f"glossary/{name}")
        yield f"reference/glossary/{name}.md", page(theme.value, (line for term in found for line in _term(term)))
    sources = [line for source in sorted(SOURCES.values()) for line in (f"- {text(source)}", "")]
    yield "reference/glossary/sources.md", page("Sources", sources)
    about = "What stands here is what `debias help TERM` says."
    yield "reference/glossary.md", page("Glossary", [about, "", *contents([*names, "glossary/sources"])])


def label(term: Term) -> str:
    """Return the name by which other pages refer to a term."""
    return f"{term.theme.name.lower()}-{term.name}"


def _term(term: Term) -> Iterator[str]:
    yield from (f"({label(term)})=", f"## {text(term.name)}", "")
    for paragraph in (term.brief, *term.text):
        yield from (text(paragraph), "")
    also = [("also called", ", ".join(term.aliases))] if term.aliases else []
    for heading, told in also + [entry for entry in term.entries() if entry[0] != "source"]:
        if heading == "see also":
            told = ", ".join(_links(term))
        elif heading in ("formula", "asked by", "in JSON"):
            told = ", ".join(map(code, told.split(", "))) if heading != "formula" else code(told)
        else:
            told = text(told)
        yield f":{heading[0].upper() + heading[1:]}: {told}"
    if term.sources:
        yield from (":Source:", *(f"    - {text(str(source))}" for source in term.sources))
    yield ""
    if term.theme is Theme.METHOD:
        yield from (f"Its settings: {{doc}}`/reference/verbs/{term.name}`. More: {{doc}}`/methods`.", "")


def _links(term: Term) -> Iterator[str]:
    """Yield links to the related terms; a name with several meanings gives several."""
    for name in term.related:
        for other in terms():
            if other.name == name and other is not term:
                yield f"[{text(name)}](#{label(other)})"
