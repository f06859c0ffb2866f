"""What one word of a report means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from debias.words import number


class Theme(StrEnum):
    """What a word is about; the value is the heading of the list."""

    METRIC = "Metrics: how groups are compared"
    PERFORMANCE = "Performance: what counts where the bound is met"
    FIGURE = "Figures of one network on one set of rows"
    SPREAD = "Spread over the groups of an attribute"
    IMPACT = "Impact ratios and significance"
    EVIDENCE = "What a report shows beside its figures"
    VERDICT = "Verdicts"
    CHOICE = "How a candidate is chosen"
    INTERVAL = "Intervals and confidence"
    PROXY = "What methods follow"
    CLUSTER = "Clusters and mixed effects"
    TRAINING = "Importance, folds and trials"
    WORD = "Words"
    METHOD = "Methods of repair"
    KIND = "Kinds of networks that can be trained"
    VIEW = "Regulatory views"
    RULE = "Rules of findings, in SARIF and JUnit"


SOURCES = {
    "parity-proxies": "R. Marcinkevičs, E. Ozkan and J. E. Vogt, Debiasing neural networks using differentiable "
    "classification parity proxies (the parity-proxies paper)",
    "fair-medl": "S. N. Nguyen, A. J. Wang and A. A. Montillo, Fairness-enhancing mixed effects deep learning improves "
    "fairness on in- and out-of-distribution clustered (non-iid) data (the Fair MEDL paper)",
    "savani-2020": "Y. Savani, C. White and N. S. Govindarajulu, Intra-processing methods for debiasing neural "
    "networks, NeurIPS 33 (2020)",
    "hardt-2016": "M. Hardt, E. Price and N. Srebro, Equality of opportunity in supervised learning, NeurIPS 29 (2016)",
    "kamiran-2012": "F. Kamiran, A. Karim and X. Zhang, Decision theory for discrimination-aware classification, ICDM "
    "2012",
    "fisher-1922": "R. A. Fisher, Journal of the Royal Statistical Society 85 (1922) 87",
    "nyc-rules": "Rules of the City of New York, 6 RCNY § 5-300 and following",
    "guidelines-1978": "Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4(D) (1978)",
    "brier-1950": "G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 "
    "(1950) 1",
    "clopper-1934": "C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404",
    "wilson-1927": "E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209",
    "newcombe-1998": "R. G. Newcombe, Statistics in Medicine 17 (1998) 873",
    "zou-2008": "G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693",
    "donner-2012": "A. Donner and G. Y. Zou, Statistical Methods in Medical Research 21 (2012) 347",
    "miettinen-1985": "O. Miettinen and M. Nurminen, Statistics in Medicine 4 (1985) 213",
    "koopman-1984": "P. A. R. Koopman, Biometrics 40 (1984) 513",
    "welch-1947": "B. L. Welch, Biometrika 34 (1947) 28",
    "kish-1965": "L. Kish, Survey Sampling (1965)",
    "agresti-2000": "A. Agresti and B. Caffo, The American Statistician 54 (2000) 280",
    "schuirmann-1987": "D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657",
    "berger-1982": "R. L. Berger, Technometrics 24 (1982) 295",
    "holm-1979": "S. Holm, Scandinavian Journal of Statistics 6 (1979) 65",
}
"""Papers and rules by a short name."""


@dataclass(frozen=True)
class Cited:
    """A place in a source.

    Parameters
    ----------
    key : str
        A name of `SOURCES`.
    place : str
        Section or equation; empty for the whole.
    """

    key: str
    place: str = ""

    def __str__(self) -> str:
        return f"{SOURCES[self.key]}, {self.place}" if self.place else SOURCES[self.key]


@dataclass(frozen=True)
class Span:
    """The values that a figure can take.

    Parameters
    ----------
    low, high : float
        The least and the largest value; infinite where there is none.
    ideal : str
        Which value says what.
    unit : str
        What it is measured in; empty for a share or a difference of shares.
    """

    low: float
    high: float
    ideal: str = ""
    unit: str = ""

    def __str__(self) -> str:
        if math.isinf(self.low):
            reach = "any number" if math.isinf(self.high) else f"at most {_shown(self.high)}"
        elif math.isinf(self.high):
            reach = f"{_shown(self.low)} and above"
        else:
            reach = f"{_shown(self.low)} to {_shown(self.high)}"
        unit = f", in {self.unit}" if self.unit else ""
        return f"{reach}{unit}" + (f"; {self.ideal}" if self.ideal else "")


def _shown(value: float) -> str:
    return number(value).replace("-", "−")


@dataclass(frozen=True, kw_only=True)
class Term:
    """What a word means, and all that a reader needs beside it.

    Parameters
    ----------
    name : str
        The word as reports and flags have it; lower case, words joined by dashes.
    theme : Theme
        What it is about.
    brief : str
        One sentence.
    text : tuple of str
        Paragraphs that go further.
    formula : str
        Its formula; a = 0 stands for the unprivileged and a = 1 for the privileged group.
    span : Span, optional
        The values that it can take; None for a word without a value.
    undefined : str
        When it has no value; empty where it always has one.
    example : str
        Worked by hand; the last number is the figure.
    sources : tuple of Cited or str
        Where it comes from: a place in `SOURCES`, or a title with an address.
    aliases : tuple of str
        Other names, for looking up.
    related : tuple of str
        Names of other terms.
    flags : tuple of str
        What asks for it on the command line.
    fields : tuple of str
        Where it stands in the JSON of a report: model and field, as in ``Figures.brier``.
    """

    name: str
    theme: Theme
    brief: str
    text: tuple[str, ...] = ()
    formula: str = ""
    span: Span | None = None
    undefined: str = ""
    example: str = ""
    sources: tuple[Cited | str, ...] = ()
    aliases: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name with the aliases."""
        return f"{self.name} ({', '.join(self.aliases)})" if self.aliases else self.name

    def entries(self) -> list[tuple[str, str]]:
        """Return what is known beside the text, each with its heading, in reading order; a source each."""
        pairs = [
            ("formula", self.formula),
            ("range", "" if self.span is None else str(self.span)),
            ("undefined", self.undefined),
            ("example", self.example),
            ("asked by", ", ".join(self.flags)),
            ("in JSON", ", ".join(self.fields)),
            *(("source", str(source)) for source in self.sources),
            ("see also", ", ".join(self.related)),
        ]
        return [(heading, text) for heading, text in pairs if text]

    def content(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "name": self.name,
            "theme": self.theme.name.lower(),
            "aliases": list(self.aliases),
            "brief": self.brief,
            "text": list(self.text),
            "formula": self.formula or None,
            "range": None if self.span is None else str(self.span),
            "undefined": self.undefined or None,
            "example": self.example or None,
            "flags": list(self.flags),
            "fields": list(self.fields),
            "sources": list(map(str, self.sources)),
            "related": list(self.related),
        }
