"""The glossary: every metric, figure, verdict and method in one place, for ``debias help`` and the documentation."""

from __future__ import annotations

from functools import cache

from debias.errors import Problem, UsageError
from debias.report.glossary.term import SOURCES, Cited, Span, Term, Theme
from debias.words import listing, show

__all__ = ["SOURCES", "Cited", "Span", "Term", "Theme", "find", "key", "terms"]


@cache
def terms() -> tuple[Term, ...]:
    """Return every term, by theme, and within a theme in reading order."""
    from debias.report.glossary import figures, impact, judging, metrics, words, works

    found = (
        *metrics.METRIC_TERMS,
        *metrics.PERFORMANCE_TERMS,
        *figures.FIGURE_TERMS,
        *figures.SPREAD_TERMS,
        *impact.IMPACT_TERMS,
        *figures.EVIDENCE_TERMS,
        *judging.VERDICT_TERMS,
        *judging.CHOICE_TERMS,
        *judging.INTERVAL_TERMS,
        *words.PROXY_TERMS,
        *words.CLUSTER_TERMS,
        *words.TRAINING_TERMS,
        *words.WORD_TERMS,
        *works.method_terms(),
        *works.kind_terms(),
        *works.view_terms(),
        *works.rule_terms(),
    )
    order = list(Theme)
    return tuple(sorted(found, key=lambda term: order.index(term.theme)))


def find(word: str) -> tuple[Term, ...]:
    """Return the terms of that name or alias; capitals, blanks, dashes and underscores do not matter.

    Raises
    ------
    UsageError
        Where there is none; it names the nearest.
    """
    asked = key(word)
    found = tuple(term for term in terms() if asked in map(key, (term.name, *term.aliases)))
    if found:
        return found
    remedy = "debias help lists all."
    if near := _nearest(asked):
        remedy = f"Perhaps {listing(near)}. {remedy}"
    raise UsageError(Problem(f"the glossary has no {show(word)}", "debias help", remedy))


def key(word: str) -> str:
    """Return a word as it is compared: small letters, with one dash between words."""
    return "-".join(word.casefold().replace("-", " ").replace("_", " ").split())


def _nearest(asked: str) -> list[str]:
    """Return names that a reader may have meant, the nearest first."""
    from difflib import get_close_matches

    names = {key(name): term.name for term in reversed(terms()) for name in (*term.aliases, term.name)}
    close = get_close_matches(asked, names, n=4)
    close += [name for name in names if len(asked) > 2 and (asked in name.split("-") or name in asked.split("-"))]
    return list(dict.fromkeys(names[name] for name in close))[:4]
