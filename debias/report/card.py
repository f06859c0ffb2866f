"""A model card of a file: metadata above, and what a reader of the card has to know, from the report alone.

What the figures do not tell (what the network is for, who answers for it) is left to the owner and marked so. Names of
folders are left out: a card is made to be shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from debias.errors import Problem, UsageError
from debias.report.card_metadata import base_name, metadata, to_yaml
from debias.report.content.document import Section, Table
from debias.report.content.report import report_document
from debias.report.markdown import block, inline, section_lines
from debias.report.text import size, visible
from debias.report.values.report import ModelInfo, Report

if TYPE_CHECKING:
    from debias.report.values.every import Value
    from debias.report.values.figures import Figures

EVALUATION = ("bias", "figures", "groups", "crossings", "impact")
"""Sections of a report that a card shows under Evaluation, in the report's order."""
OWNER = (
    "What the network decides, and for whom.",
    "Uses that it is not made for.",
    "Who answers for it, and where a person who is affected can turn to.",
    "How often the figures below are taken again, and on which rows.",
)


def to_card(value: Value, licence: str | None = None) -> str:
    """Return the model card of the file that a report tells of, as Markdown with YAML above.

    Parameters
    ----------
    value : Report or Comparison
        A repair: the card is of the file written. An audit: of the file audited.
    licence : str, optional
        Identifier of the licence.

    Raises
    ------
    UsageError
        There is no such file.
    """
    report = report_of(value)
    if report is None or (reason := no_card(report)) is not None:
        found = "is of no run that a model card can be made of" if report is None else reason
        raise UsageError(Problem(found or "", "the report", "Give the report of an audit, a repair or a comparison."))
    model, figures = _described(report)
    assert model is not None and figures is not None
    head = to_yaml(metadata(report, model, figures, licence))
    return f"---\n{head}---\n\n" + "\n".join(_text(report, model)) + "\n"


def report_of(value: Value) -> Report | None:
    """Return the run that a card would be of; None for a value that tells of no model's figures."""
    from debias.report.findings.finding import Judged, run_of

    return run_of(value) if isinstance(value, Judged) else None


def no_card(report: Report) -> str | None:
    """Return why there is no card of a run; None where there is one."""
    model, figures = _described(report)
    if model is None or figures is None:
        return "the run wrote no model: there is nothing that a model card could be of"
    return None


def _described(report: Report) -> tuple[ModelInfo | None, Figures | None]:
    return (report.model, report.before) if report.verb == "audit" else (report.output, report.after)


def _text(report: Report, model: ModelInfo) -> Iterator[str]:
    told = report_document(report)
    paths = {path: base_name(path) for path in _paths(report)}
    sections = [_without_folders(section, paths) for section in told.sections]
    yield f"# {inline(base_name(model.path))}"
    yield ""
    yield f"**{inline(told.headline)}.** {inline(_shorter(told.statement, paths))}"
    for warning in told.warnings:
        yield ""
        yield f"> {block(_shorter(warning, paths))}"
    yield from _use()
    yield from _what(report, model)
    yield from _group("Evaluation", [section for section in sections if section.key in EVALUATION])
    yield from _group("What was changed", [section for section in sections if section.key == "change"], bare=True)
    yield from _group("Data", [section for section in sections if section.key == "rows"])
    yield from _group("Limits", [section for section in sections if section.key == "limits"], bare=True)
    yield from _group("Notes", [section for section in sections if section.key == "notes"], bare=True)
    yield from _provenance(report, model)


def _use() -> Iterator[str]:
    yield from ("", "## Intended use", "", "> **Left to the owner of the model.** The run does not know it:")
    yield ">"
    yield from (f"> - [ ] {text}" for text in OWNER)


def _what(report: Report, model: ModelInfo) -> Iterator[str]:
    name = base_name(model.path)
    yield from ("", "## The file", "")
    kind = "a TorchScript file" if model.format == "torchscript" else "a torch.export file"
    if report.change is None:
        yield block(f"{name} is {kind} of {size(model.size)}. It was measured as it stands; nothing was changed.")
    else:
        source = base_name(report.model.path)
        yield block(
            f"{name} is {kind} of {size(model.size)}, which debias {report.change.method} made of {source}; signature "
            "and names are those of that file."
        )
    needs = "yes" if report.uses_attribute else "no"
    yield ""
    yield f"- Uses the protected attribute at prediction: **{needs}**"
    if report.task == "classification":
        cut = (
            "the larger of two scores decides" if report.decision == "argmax" else f"a score above {_cut(report)} is it"
        )
        yield f"- Positive label: {inline(report.positive_label or '')}; {cut}"
    else:
        yield "- Predicts a number; it is not cut"
    yield "- The contract inside (debias.json) tells columns, encoding and decision: `debias inspect`"
    yield ""
    yield "```python"
    yield "import torch"
    yield ""
    load = "torch.jit.load({})" if model.format == "torchscript" else "torch.export.load({}).module()"
    yield f"model = {load.format(_quoted(name))}"
    yield "```"


def _cut(report: Report) -> str:
    figures = report.before if report.verb == "audit" else report.after
    return "–" if figures is None or figures.threshold is None else f"{figures.threshold:.6g}"


def _quoted(name: str) -> str:
    return repr(visible(name)).replace("`", "\\x60")


def _group(title: str, sections: list[Section], bare: bool = False) -> Iterator[str]:
    """Yield sections under one heading, each with a heading of its own unless `bare`."""
    if not sections:
        return
    yield from ("", f"## {title}")
    for section in sections:
        if not bare:
            yield from ("", f"### {inline(section.title)}")
        yield from section_lines(section)


def _provenance(report: Report, model: ModelInfo) -> Iterator[str]:
    rows = [("this file", base_name(model.path), model.sha256)]
    if model.sha256 != report.model.sha256:
        rows.append(("made of", base_name(report.model.path), report.model.sha256))
    rows += [(role, base_name(table.path), table.sha256 or "–") for role, table in report.data.items()]
    items = [f"seed: {report.seed}", ", ".join(f"{name} {version}" for name, version in report.versions.items())]
    if report.change is not None and report.change.settings:
        settings = ", ".join(f"{name} {value}" for name, value in report.change.settings.items())
        items.insert(0, f"settings of {report.change.method}: {settings}")
    table = Table(("what", "file", "SHA-256"), tuple(rows), "lll")
    yield from _group("Provenance", [Section("Provenance", table=table, items=tuple(items))], bare=True)
    if report.change is not None:
        yield from ("", "`debias verify` holds the file against the record inside it.")


def _paths(report: Report) -> list[str]:
    """Return the paths that a report names, the longest first: one may be the start of another."""
    found = [report.model.path, *(table.path for table in report.data.values())]
    if report.output is not None:
        found.append(report.output.path)
    return sorted({path for path in found if base_name(path) != path}, key=len, reverse=True)


def _shorter(text: str, paths: dict[str, str]) -> str:
    for path, name in paths.items():
        text = text.replace(path, name)
    return text


def _without_folders(section: Section, paths: dict[str, str]) -> Section:
    return replace(
        section,
        sentences=tuple(_shorter(text, paths) for text in section.sentences),
        items=tuple(_shorter(text, paths) for text in section.items),
    )
