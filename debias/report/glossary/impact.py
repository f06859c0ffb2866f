"""Figures that rules on selection ask for, beside the impact ratio itself."""

from __future__ import annotations

from math import inf

from debias.fairness.impact import FOUR_FIFTHS, SMALL_SHARE
from debias.report.glossary.term import Cited, Span, Term, Theme
from debias.words import number

_ONE = "It is of one comparison, without correction for others: among many categories some are small by chance."

IMPACT_TERMS = (
    Term(
        name="four-fifths",
        theme=Theme.IMPACT,
        brief=f"A mark on selection rates below {number(FOUR_FIFTHS)} of that of another category, mostly the highest.",
        text=(
            "A rule of thumb of US hiring: a first indication, to be read beside a test of significance. It decides "
            "nothing.",
        ),
        formula=f"ratio < {number(FOUR_FIFTHS)}",
        undefined="the reference has a rate of 0",
        example="A ratio below 0.8 is marked: 0.42 / 0.60 = 0.70",
        sources=(Cited("guidelines-1978"),),
        aliases=("four-fifths rule", "80% rule", "4/5 rule"),
        related=("impact-ratio", "fisher", "z-test"),
        fields=("Compared.ratio", "Compared.below_four_fifths"),
    ),
    Term(
        name="fisher",
        theme=Theme.IMPACT,
        brief="Exact test of two selection rates: how likely a table of counts is that is no likelier than the one "
        "seen.",
        text=(_ONE,),
        span=Span(0, 1, "small where chance does not explain the difference"),
        undefined="the category is the reference itself, or rows are weighted",
        sources=(Cited("fisher-1922"),),
        aliases=("fisher exact test", "fisher p"),
        related=("z-test", "four-fifths", "holm"),
        fields=("Compared.fisher_p",),
    ),
    Term(
        name="z-test",
        theme=Theme.IMPACT,
        brief="Difference of two selection rates in standard errors, with the rate of both together.",
        text=("In US hiring two to three standard deviations count as more than chance.", _ONE),
        formula="(p₁ − p₂) / √(p (1 − p) (1/n₁ + 1/n₂))",
        span=Span(-inf, inf, "0 where the rates are alike"),
        undefined="the category is the reference itself, or all or none of the two are selected",
        example="Rates of 0.42 and 0.60, 100 rows each: −0.18 / 0.0707 = −2.546",
        aliases=("z", "two-proportion test"),
        related=("fisher", "effective-rows"),
        fields=("Compared.z", "Compared.z_p"),
    ),
    Term(
        name="smd",
        theme=Theme.IMPACT,
        brief="Standardised mean difference: how far the mean scores of two groups lie apart, in standard deviations "
        "of all scores.",
        formula="(mean score of the group − mean score of the reference) / SD of all scores",
        span=Span(-inf, inf, "0 where the means are alike; below 0 the group's scores are less favourable"),
        undefined="the scores do not vary, or a group has no rows",
        example="Mean scores of 0.5 and 0.6 where all scores have a standard deviation of 0.25: −0.1 / 0.25 = −0.4",
        aliases=("standardised mean difference", "standardized mean difference"),
        related=("scoring-rate", "impact-ratio"),
        fields=("Compared.smd", "GroupImpact.mean_score"),
    ),
    Term(
        name="scoring-rate",
        theme=Theme.IMPACT,
        brief="Share of a group with a score above the median score of all rows.",
        span=Span(0, 1),
        undefined="the group has no rows",
        example="Scores 0.2, 0.4, 0.6 and 0.8 have a median of 0.5; of a group with 0.4, 0.6 and 0.8 two lie above: "
        "2 / 3 = 0.667",
        sources=(Cited("nyc-rules"),),
        related=("smd", "nyc-ll144"),
        fields=("GroupImpact.rate", "RateImpact.median"),
    ),
    Term(
        name="small-category",
        theme=Theme.IMPACT,
        brief=f"A category with less than {100 * SMALL_SHARE:g}% of the rows; some rules leave it out of the ratios.",
        sources=(Cited("nyc-rules"), Cited("guidelines-1978")),
        related=("small-group", "nyc-ll144"),
        fields=("GroupImpact.share", "GroupImpact.small", "Impact.small_share"),
    ),
)
