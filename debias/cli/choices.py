"""Values that a flag can take, by what the flag is about."""

from __future__ import annotations

from enum import StrEnum


class Metric(StrEnum):
    """Names and aliases of the metrics."""

    STATISTICAL_PARITY = "statistical-parity"
    SPD = "spd"
    EQUAL_OPPORTUNITY = "equal-opportunity"
    EOD = "eod"
    PREDICTIVE_EQUALITY = "predictive-equality"
    FPRD = "fprd"
    EQUALIZED_ODDS = "equalized-odds"
    EQODDS = "eqodds"
    IMPACT_RATIO = "impact-ratio"
    AIR = "air"
    MEAN_DIFFERENCE = "mean-difference"
    MDP = "mdp"
    MSE_DISPERSION = "mse-dispersion"
    MSESD = "msesd"


class Performance(StrEnum):
    """What is maximised under the bound."""

    BALANCED_ACCURACY = "balanced-accuracy"
    ACCURACY = "accuracy"
    F1 = "f1"
    AUROC = "auroc"
    R2 = "r2"


class Selection(StrEnum):
    """How candidates are judged on the selection rows."""

    CHANCE = "chance"
    MARGIN = "margin"
    EXPECTED = "expected"
    CONFIDENT = "confident"


class Side(StrEnum):
    """Which decision is the favourable one."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


class Decision(StrEnum):
    """How the deployed system decides for a two-class output."""

    SCORE = "score"
    ARGMAX = "argmax"


class OutputKind(StrEnum):
    """What the network returns."""

    PROBABILITY = "probability"
    LOGIT = "logit"
    SOFTMAX = "softmax"
    LOGITS2 = "logits2"
    VALUE = "value"


class UnseenZ(StrEnum):
    """What the cluster input holds for a cluster that the network does not know."""

    SOFT = "soft"
    HARD = "hard"
    ZERO = "zero"
    ERROR = "error"


class Edit(StrEnum):
    """What of a mixed-effects network may be changed."""

    FE = "fe"
    FE_RE = "fe+re"


class MissingAttribute(StrEnum):
    """What becomes of rows without the attribute."""

    ERROR = "error"
    DROP = "drop"
    GROUP = "group"
