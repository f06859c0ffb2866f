"""Terms that the code itself holds: methods by their docstrings, kinds of networks by their parts, views, rules."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from debias import methods
from debias.report import regulations
from debias.report.findings.rules import all_rules
from debias.report.glossary.term import Cited, Term, Theme
from debias.training.kinds import KINDS, Kind

_SOURCES = {
    "threshold": (Cited("parity-proxies", "eq. 3"),),
    "prune": (Cited("parity-proxies", "Algorithm 1"),),
    "gda": (Cited("parity-proxies", "Algorithm 2"),),
    "finetune": (Cited("parity-proxies", "eq. 1 and 2"),),
    "perturb": (Cited("savani-2020", "random perturbation"),),
    "adversarial": (Cited("savani-2020", "adversarial fine-tuning"),),
    "layerwise": (Cited("savani-2020", "layer-wise optimisation"),),
    "roc": (Cited("kamiran-2012"),),
    "eqodds": (Cited("hardt-2016"),),
}
"""Where each method comes from; that of finetune lends its proxies only."""


def method_terms() -> Iterator[Term]:
    """Yield a term for every method: its docstring, and where it comes from."""
    for name in methods.names():
        brief, *text = paragraphs(methods.load(name).__doc__ or "")
        yield Term(
            name=name,
            theme=Theme.METHOD,
            brief=brief,
            text=tuple(text),
            sources=_SOURCES[name],
            flags=(f"debias {name} MODEL",),
            related=("candidate", "threshold-only"),
        )


def kind_terms() -> Iterator[Term]:
    """Yield a term for every kind of network of the Fair MEDL family, and the one of the other paper."""
    for kind in KINDS.values():
        yield Term(
            name=kind.name,
            theme=Theme.KIND,
            brief=f"{kind.title[0].upper()}{kind.title[1:]}: {_parts(kind)}.",
            sources=(Cited("fair-medl", "section 2"),) if kind.title.startswith(_OF_THE_PAPER) else (),
            flags=(f"debias train {kind.name}",),
            related=("mixed-effects", "cluster") if kind.needs_clusters else ("protected-attribute",),
        )
    yield Term(
        name="mlp",
        theme=Theme.KIND,
        brief="The fully connected network with batch normalisation of the parity-proxies paper.",
        sources=(Cited("parity-proxies", "Table 2"),),
        flags=("debias train mlp",),
        related=("prune", "gda"),
    )


def view_terms() -> Iterator[Term]:
    """Yield a term for every regulatory view: its data file in words."""
    for name in regulations.ids():
        view = regulations.view(name)
        dated = f"State of {view.as_of}: {view.state}"
        events = [f"{event.day}: {event.what}" for event in view.events]
        unsure = [f"Not settled: {text}" for text in view.unsure]
        yield Term(
            name=view.id,
            theme=Theme.VIEW,
            brief=f"{view.title}.",
            text=(f"Holds for: {view.holds}", dated, *events, *view.notes, *unsure),
            sources=tuple(
                f"{source.title} ({source.dated}), {source.url}" if source.dated else f"{source.title}, {source.url}"
                for source in view.sources
            ),
            flags=(f"--view {view.id}",),
            related=("impact-ratio", "scoring-rate", "uses-attribute"),
            fields=("ChosenView.id", "ChosenView.as_of"),
        )


def rule_terms() -> Iterator[Term]:
    """Yield a term for every rule of a finding."""
    for rule in all_rules():
        yield Term(
            name=rule.id.lower(),
            theme=Theme.RULE,
            brief=rule.short,
            text=(rule.help,),
            aliases=(rule.name,),
            related=(rule.metric or "candidate", "baseline"),
        )


_OF_THE_PAPER = ("conventional", "DA-NNet", "Fair(ADB) DA", "Fair(ACL) DA", "MEDL", "Fair(ADB) MEDL")


def _parts(kind: Kind) -> str:
    parts = [
        text
        for there, text in (
            (kind.cluster_input, "the cluster as an input"),
            (kind.random_effects, "random effects of each cluster"),
            (kind.cluster_adversary, "an adversary that keeps the cluster out of the hidden layers"),
            (kind.fixed_adversary, "one that keeps attributes out of the fixed effects"),
            (kind.mixed_adversary, "one that keeps them out of the mixed effects"),
            (kind.correlation, "the correlation of prediction and attribute in the loss"),
        )
        if there
    ]
    if parts and parts[0].startswith("one "):
        parts[0] = f"an adversary{parts[0].removeprefix('one')}"
    return "; ".join(parts) if parts else "fully connected layers, no part for clusters or attributes"


def paragraphs(docstring: str) -> list[str]:
    """Return the paragraphs of a docstring before its parameters, each on one line, as plain text."""
    told = inspect.cleandoc(docstring).partition("\n\nParameters\n---")[0]
    plain = re.sub(r"`+([^`]+)`+", r"\1", told).replace("\\|", "|")
    return [" ".join(part.split()) for part in plain.split("\n\n")]
