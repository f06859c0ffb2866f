"""The page: the template filled, the style and the script set in, and what they may do."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from debias.report.charts import charts_of
from debias.report.charts.colours import DARK, LIGHT, css
from debias.report.content.document import TONES
from debias.report.content.every import document_of
from debias.report.html.layout import chapters
from debias.report.html.summary import summary_of, versions_of
from debias.report.text import Told, visible

if TYPE_CHECKING:
    from jinja2 import Environment

    from debias.report.content.document import Document
    from debias.report.values.every import Value

HERE = Path(__file__).parent
LONGEST_CELL, LONGEST_TEXT = 300, 20_000
"""Characters of a cell and of a sentence that are shown; what is left out is told."""
FOLDED = 24
"""Rows from which on a table that is extra is folded away."""


def to_html(value: Value) -> str:
    """Return a report as one HTML page that holds all it needs.

    Parameters
    ----------
    value : Value
        Any report.

    Returns
    -------
    str
        HTML 5 without a reference to anything outside it; the same for the same value.
    """
    from markupsafe import Markup

    told = document_of(value)
    versions = versions_of(value)
    sections = [section for section in told.sections if not section.short]
    told = replace(told, sections=(*sections, *([] if versions is None else [versions])))
    style, script = _style(), _script(told)
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            told=told,
            summary=summary_of(value),
            chapters=chapters(told, charts_of(value)),
            version=getattr(value, "debias_version", None),
            policy=_policy(style, script),
            style=Markup(style),
            script=Markup(script),
        )
    )


def _style() -> str:
    """Return the style with the colours that the charts share."""
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {css(DARK)} }} }}"
    return f":root {{ {css(LIGHT)} }}\n{dark}\n{_asset('style.css')}"


def _script(told: Document) -> str:
    """Return what makes the page move; a long table brings its own."""
    long = any(section.table is not None and section.table.choices for section in told.sections)
    return _asset("script.js") + (_asset("table.js") if long else "")


@cache
def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the content security policy: this style and this script run, nothing is fetched, nothing is sent."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"text": _text, "cell": _cell, "drawn": Markup, "together": _together, "tone": _tone}
    made.globals |= {"spelled": SPELLED, "folded": FOLDED}
    return made


def _text(text: str, most: int = LONGEST_TEXT) -> str:
    """Return text of others as it can be shown, cut where it is absurdly long."""
    text = visible(text)
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _cell(text: str) -> str:
    """Return what a table cell shows: a number with its exact value, or text."""
    from markupsafe import Markup

    if isinstance(text, Told):
        return Markup('<data value="{}">{}</data>').format(repr(text.value), str(text))
    return _text(text, LONGEST_CELL)


def _tone(text: str) -> str:
    """Return how a verdict sounds that stands in a cell; what is none, why there is none, sounds bad."""
    return TONES.get(text.upper(), "plain" if text in ("no bound", "not done") else "bad")


def _together(rows: Sequence[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    """Return rows that follow each other with the same first cell as one."""
    return [list(same) for _, same in groupby(rows, key=itemgetter(0))]


SPELLED = {
    "bal.acc": "balanced accuracy",
    "acc": "accuracy",
    "n": "rows",
    "rate": "selection rate",
    "selected": "rows with the favourable decision",
    "TPR": "true positive rate",
    "FPR": "false positive rate",
    "AUROC": "area under the ROC curve",
    "Brier": "Brier score",
    "MSE": "mean squared error",
    "MAE": "mean absolute error",
    "R²": "coefficient of determination",
    "DP": "demographic parity",
    "DP soft": "demographic parity of mean probabilities",
    "TPR SD": "standard deviation of true positive rates over groups",
    "FPR SD": "standard deviation of false positive rates over groups",
    "MSE SD": "standard deviation of mean squared errors over groups",
    "swap": "change when the attribute's inputs are swapped",
    "attr": "uses the protected attribute at prediction",
    "obj.": "objective",
    "sec": "seconds",
    "sel.BA": "balanced accuracy on the selection rows",
    "sel.R²": "R² on the selection rows",
    "sel.bias": "bias on the selection rows",
}
"""Short heads of columns, said in full."""
