"""The parity metrics, and the measures of performance that stand against them."""

from __future__ import annotations

from math import inf

from debias.fairness.metrics import METRICS, Metric
from debias.report.glossary.term import Cited, Span, Term, Theme

_ALIKE = "0 where the groups are alike"
_DIFFERENCE = Span(-1, 1, f"{_ALIKE}; below 0 the unprivileged group has the lower rate")
_OF_MANY = (
    "Of more than two groups it is the lowest rate minus the highest, and the report names the two groups; the mean "
    "over all pairs stands beside it."
)


def _metric(name: Metric, brief: str, **more: object) -> Term:
    info = METRICS[name]
    given: dict[str, object] = {
        "flags": (f"--metric {name}",),
        "fields": ("Parity.bias",),
        "aliases": (info.alias, *more.pop("aliases", ())),  # type: ignore[misc]
        **more,
    }
    return Term(name=name, theme=Theme.METRIC, brief=brief, formula=info.formula, **given)  # type: ignore[arg-type]


METRIC_TERMS = (
    _metric(
        "statistical-parity",
        "Difference of the selection rates: how much more often one group gets the favourable decision.",
        text=(
            "It asks nothing about who had earned the decision. Where the labels of the groups differ, a network that "
            "decides without an error misses it.",
            _OF_MANY,
        ),
        span=_DIFFERENCE,
        undefined="a group has no rows",
        example="Approved are 42 of 100 women (0.42) and 60 of 100 men (0.60): 0.42 − 0.60 = −0.18",
        sources=(Cited("parity-proxies", "section 2"),),
        aliases=("statistical parity difference", "demographic parity difference"),
        related=("impact-ratio", "demographic-parity", "selection-rate"),
    ),
    _metric(
        "equal-opportunity",
        "Difference of the true positive rates: among rows with the favourable label, how much more often one group "
        "gets the favourable decision.",
        text=(
            "It takes the labels as the truth. Where labels are themselves the outcome of earlier decisions, so is the "
            "figure.",
            _OF_MANY,
        ),
        span=_DIFFERENCE,
        undefined="a group has no row with the favourable label",
        example="Of 40 women with the favourable label 30 are approved (0.75), of 50 such men 45 (0.90): "
        "0.75 − 0.90 = −0.15",
        sources=(Cited("parity-proxies", "section 2"), Cited("hardt-2016")),
        aliases=("equal opportunity difference",),
        related=("tpr", "tpr-sd", "equalized-odds"),
    ),
    _metric(
        "predictive-equality",
        "Difference of the false positive rates: among rows without the favourable label, how much more often one "
        "group gets the favourable decision all the same.",
        text=(_OF_MANY,),
        span=_DIFFERENCE,
        undefined="a group has no row without the favourable label",
        example="Of 60 women without the favourable label 12 are approved (0.20), of 50 such men 15 (0.30): "
        "0.20 − 0.30 = −0.10",
        aliases=("false positive rate difference",),
        related=("fpr", "fpr-sd", "equalized-odds"),
    ),
    _metric(
        "equalized-odds",
        "The larger of the differences of true and of false positive rates, so that the bound holds for both.",
        text=(
            "It is not the average of the two: a positive and a negative difference would cancel, and 0 would not mean "
            "equal odds.",
            _OF_MANY,
        ),
        span=_DIFFERENCE,
        undefined="a group has no row with, or none without the favourable label",
        example="The true positive rates differ by 0.75 − 0.90 = −0.15, the false positive rates by 0.20 − 0.30 = "
        "−0.10; the larger in size is −0.15",
        sources=(Cited("hardt-2016"),),
        related=("equal-opportunity", "predictive-equality", "eqodds"),
    ),
    _metric(
        "impact-ratio",
        "The lowest selection rate divided by the highest.",
        text=(
            "Its bound is --min-ratio, as in 0.8; reports give the ratio minus 1 as the bias, with the sign of the "
            "difference, so that 0 means alike for every metric.",
            "The four-fifths rule of US hiring asks whether it is at least 0.8, as a first indication and beside a "
            "test of significance.",
        ),
        span=Span(-1, 1, "0 where the groups are alike, −0.2 for a ratio of 0.8"),
        undefined="a group has no rows, or no row of any group is selected",
        example="0.42 / 0.60 = 0.70; as a bias 0.70 − 1 = −0.30",
        sources=(Cited("guidelines-1978"),),
        flags=("--metric impact-ratio", "--min-ratio 0.8"),
        aliases=("adverse impact ratio", "disparate impact"),
        related=("statistical-parity", "selection-rate"),
    ),
    _metric(
        "mean-difference",
        "Of a network that predicts a number: difference of the groups' mean predictions.",
        text=("Of more than two groups it is the mean absolute difference over all pairs (eq. 4), and has no sign.",),
        span=Span(-inf, inf, _ALIKE, "units of the target"),
        undefined="a group has no rows",
        example="Women are predicted 30,000 on average, men 32,500: 30,000 − 32,500 = −2,500",
        sources=(Cited("fair-medl", "eq. 4"),),
        related=("mse-dispersion", "demographic-parity"),
    ),
    _metric(
        "mse-dispersion",
        "Of a network that predicts a number: standard deviation over groups of the mean squared error.",
        text=("Groups count alike, whatever their size. Of two groups it is half the difference of their errors.",),
        span=Span(0, inf, _ALIKE, "squared units of the target"),
        undefined="a group has no rows",
        example="The groups' mean squared errors are 4 and 6: their standard deviation is 1",
        sources=(Cited("fair-medl", "section 2.3.1"),),
        related=("mse-sd", "mean-difference"),
    ),
)


def _performance(name: str, brief: str, **more: object) -> Term:
    flag = f"--performance {name}"
    return Term(name=name, theme=Theme.PERFORMANCE, brief=brief, flags=(flag,), **more)  # type: ignore[arg-type]


PERFORMANCE_TERMS = (
    _performance(
        "balanced-accuracy",
        "Mean of the share of right decisions among positive and among negative labels.",
        formula="(TPR + TNR) / 2",
        span=Span(0, 1, "0.5 for a coin, 1 for no error"),
        undefined="one of the labels does not occur",
        example="Right are 75 of 90 positive rows (0.833) and 83 of 110 negative ones (0.755): "
        "(0.833 + 0.755) / 2 = 0.794",
        text=("The default: it does not reward a network that always says what is frequent.",),
        sources=(Cited("parity-proxies", "section 3"),),
        aliases=("bal.acc", "ba"),
        related=("accuracy", "objective"),
        fields=("Figures.balanced_accuracy", "GroupFigures.balanced_accuracy", "ClusterFigures.balanced_accuracy"),
    ),
    _performance(
        "accuracy",
        "Share of right decisions.",
        formula="(TP + TN) / n",
        span=Span(0, 1, "1 for no error"),
        undefined="no rows",
        example="Right are 158 of 200 decisions: 158 / 200 = 0.79",
        aliases=("acc",),
        related=("balanced-accuracy",),
        fields=("Figures.accuracy", "GroupFigures.accuracy"),
    ),
    _performance(
        "f1",
        "Harmonic mean of precision and recall of the positive label.",
        formula="2 TP / (positive decisions + positive labels)",
        span=Span(0, 1, "1 for no error"),
        example="Of 90 positive rows 75 are found, with 102 positive decisions: 150 / (102 + 90) = 0.781",
        text=("0 where nothing is decided positive.",),
        related=("balanced-accuracy",),
        fields=("Figures.f1",),
    ),
    _performance(
        "auroc",
        "Area under the ROC curve: the chance that a positive row scores higher than a negative one.",
        formula="P(score of a positive > score of a negative), ties counted half",
        span=Span(0, 1, "0.5 for a coin, 1 where the scores part the labels"),
        undefined="one of the labels does not occur",
        example="Positives score 0.9 and 0.4, negatives 0.6 and 0.2: 3 of 4 pairs are in order, 0.75",
        text=(
            "It does not depend on the threshold. Only with the other measures does a threshold alone change the "
            "performance.",
        ),
        aliases=("auc", "area under the curve"),
        related=("brier", "balanced-accuracy"),
        fields=("Figures.auroc",),
    ),
    _performance(
        "r2",
        "Of a network that predicts a number: share of the target's variance that it explains.",
        formula="1 − MSE / variance of the target",
        span=Span(-inf, 1, "1 for no error; below 0 the mean of the target would predict better"),
        undefined="the target does not vary",
        example="A mean squared error of 1 where the variance is 4: 1 − 1 / 4 = 0.75",
        aliases=("r²", "r squared"),
        related=("mse", "mae"),
        fields=("Figures.r2",),
    ),
)
