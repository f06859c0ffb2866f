"""The rules that a finding can break, with numbers that never change their meaning."""

from __future__ import annotations

from dataclasses import dataclass

from debias.fairness.metrics import METRICS, Metric


@dataclass(frozen=True)
class Rule:
    """What is asked of a model.

    Parameters
    ----------
    id : str
        Its number. A number that was given once is never given to another rule.
    name : str
        One word in capitals and small letters, for tools that show names.
    short : str
        What a finding says, in one sentence.
    help : str
        What is compared, and what can be done.
    metric : str, optional
        How groups are compared; None for a rule about the whole run.
    """

    id: str
    name: str
    short: str
    help: str
    metric: Metric | None = None


_MEND = (
    "Repair the model (debias finetune, prune, gda, or debias compare for all methods), or state with --baseline that "
    "this difference is known and accepted."
)

_PARITY: dict[Metric, tuple[str, str, str]] = {
    "statistical-parity": ("DB101", "StatisticalParity", "The selection rates of groups differ."),
    "equal-opportunity": ("DB102", "EqualOpportunity", "The true positive rates of groups differ."),
    "predictive-equality": ("DB103", "PredictiveEquality", "The false positive rates of groups differ."),
    "equalized-odds": ("DB104", "EqualizedOdds", "The true or the false positive rates of groups differ."),
    "impact-ratio": ("DB105", "ImpactRatio", "The lowest selection rate is too small a share of the highest."),
    "mean-difference": ("DB106", "MeanDifference", "The mean predictions of groups differ."),
    "mse-dispersion": ("DB107", "MseDispersion", "The mean squared errors of groups differ."),
}

RULES: dict[Metric, Rule] = {
    metric: Rule(
        number,
        name,
        short,
        f"{metric} compares groups by {METRICS[metric].formula}. The bound that was asked is not met on the verdict "
        f"rows, or these are too few to tell. {_MEND}",
        metric,
    )
    for metric, (number, name, short) in _PARITY.items()
}
"""The rule of each metric."""

NO_CANDIDATE = Rule(
    "DB201",
    "NoCandidate",
    "No candidate of the repair met the bound where candidates were chosen.",
    "A bound that the verdict rows meet by chance is not met: no candidate met it on the selection rows as --selection "
    "asks for it, or the written file does not decide there as its candidate did. Give more rows, another method "
    "(debias compare), a wider bound, or a lower --min-performance.",
)
"""About a repair as a whole."""

NO_REPORT = Rule(
    "DB301",
    "NoReport",
    "A model of a fleet has no report.",
    "The file or its table was refused, or the job crashed, went beyond its limits of time or memory, or tried what "
    "its sandbox forbids. Nothing is known of this model. Its file under jobs/ tells why; mend the cause, and run the "
    "fleet again with --resume.",
)
"""About a model of a fleet as a whole."""


def all_rules() -> tuple[Rule, ...]:
    """Return every rule, by number."""
    return (*RULES.values(), NO_CANDIDATE, NO_REPORT)
