"""The other figures of a report: rates, errors, spread over groups, and what stands beside them."""

from __future__ import annotations

from math import inf

from debias.report.glossary.term import Cited, Span, Term, Theme

_RATE = Span(0, 1)
_ALIKE = "0 where the groups are alike"
_FEW = "fewer than two groups have a value; a group without one is left out and named"

FIGURE_TERMS = (
    Term(
        name="bias",
        theme=Theme.FIGURE,
        brief="How far the groups of an attribute lie apart under the metric; the bound is on its absolute value.",
        text=(
            "Of two groups it is unprivileged minus privileged, so that a negative bias is to the cost of the "
            "unprivileged group. Of more it is the lowest rate minus the highest. A report writes it as a sentence "
            "with both groups named.",
            "Of several attributes, the figures of a network name that of the one that uses up most of its bound.",
        ),
        span=Span(-inf, inf, _ALIKE),
        undefined="a rate that it compares has no value; it is then never 0",
        related=("metric", "interval", "privileged", "eps"),
        fields=("Figures.bias", "Parity.bias", "ClusterBias.bias", "SweepPoint.biases", "TrajectoryStep.bias"),
    ),
    Term(
        name="mean-pairwise",
        theme=Theme.FIGURE,
        brief="Mean absolute difference over all pairs of groups of the rate that the metric compares.",
        formula="mean over pairs a, b of |rate(a) − rate(b)|",
        span=Span(0, inf, _ALIKE),
        undefined="a rate has no value, or there is one group",
        sources=(Cited("fair-medl", "eq. 3"),),
        related=("bias", "demographic-parity"),
        fields=("Parity.mean_pairwise",),
    ),
    Term(
        name="selection-rate",
        theme=Theme.FIGURE,
        brief="Share of a group's rows that get the favourable decision.",
        formula="P(ŷ = + | a)",
        span=_RATE,
        undefined="the group has no rows",
        example="42 of 100 women are approved: 0.42",
        aliases=("rate", "selection", "selected"),
        related=("statistical-parity", "impact-ratio", "favourable"),
        fields=(
            "GroupFigures.selection_rate",
            "GroupFigures.selected",
            "ClusterFigures.selection_rate",
            "SweepPoint.selection_rate",
        ),
    ),
    Term(
        name="tpr",
        theme=Theme.FIGURE,
        brief="True positive rate: share of the rows with the favourable label that get the favourable decision.",
        formula="P(ŷ = + | y = +, a)",
        span=_RATE,
        undefined="the group has no row with the favourable label; it is then never 0",
        example="Of 40 women with the favourable label 30 are approved: 0.75",
        aliases=("true positive rate", "recall", "sensitivity"),
        related=("equal-opportunity", "fpr", "tpr-sd"),
        fields=("GroupFigures.tpr", "GroupFigures.positives"),
    ),
    Term(
        name="fpr",
        theme=Theme.FIGURE,
        brief="False positive rate: share of the rows without the favourable label that get the favourable decision "
        "all the same.",
        formula="P(ŷ = + | y = −, a)",
        span=_RATE,
        undefined="every row of the group has the favourable label",
        example="Of 60 women without the favourable label 12 are approved: 0.20",
        aliases=("false positive rate",),
        related=("predictive-equality", "tpr", "fpr-sd"),
        fields=("GroupFigures.fpr",),
    ),
    Term(
        name="brier",
        theme=Theme.FIGURE,
        brief="Mean squared difference of the predicted probability and the label: whether a score can be read as a "
        "probability.",
        formula="mean of (p − y)²",
        span=Span(0, 1, "0 for certainty that is always right; 0.25 for saying 0.5 throughout"),
        undefined="the scores are no probabilities, or the model needs the attribute and has decisions only",
        example="Probabilities 0.9 and 0.2 of labels 1 and 0: (0.01 + 0.04) / 2 = 0.025",
        text=("Weight edits and a folded threshold move it: calibrate again before a score is read as a probability.",),
        sources=(Cited("brier-1950"),),
        aliases=("brier score",),
        related=("calibration", "auroc"),
        fields=("Figures.brier",),
    ),
    Term(
        name="mse",
        theme=Theme.FIGURE,
        brief="Mean squared error of a network that predicts a number.",
        formula="E[(ŷ − y)²]",
        span=Span(0, inf, "0 for no error", "squared units of the target"),
        undefined="no rows",
        example="Errors of 1 and −3: (1 + 9) / 2 = 5",
        related=("mae", "r2", "mse-sd"),
        fields=("Figures.mse", "GroupFigures.mse", "ClusterFigures.mse"),
    ),
    Term(
        name="mae",
        theme=Theme.FIGURE,
        brief="Mean absolute error of a network that predicts a number.",
        formula="E[|ŷ − y|]",
        span=Span(0, inf, "0 for no error", "units of the target"),
        undefined="no rows",
        example="Errors of 1 and −3: (1 + 3) / 2 = 2",
        related=("mse", "r2"),
        fields=("Figures.mae", "GroupFigures.mae"),
    ),
    Term(
        name="mse-share",
        theme=Theme.FIGURE,
        brief="A group's mean squared error divided by the variance of the target within the group.",
        span=Span(0, inf, "1 for a network that says the group's mean"),
        undefined="the target does not vary within the group",
        example="A mean squared error of 3 where the variance is 4: 3 / 4 = 0.75",
        related=("mse", "r2"),
        fields=("GroupFigures.mse_share",),
    ),
    Term(
        name="mean-prediction",
        theme=Theme.FIGURE,
        brief="A group's mean prediction, of a network that predicts a number; the mean of the target stands beside "
        "it.",
        formula="E[ŷ | a]",
        span=Span(-inf, inf, "", "units of the target"),
        undefined="the group has no rows",
        aliases=("mean-target",),
        related=("mean-difference",),
        fields=("GroupFigures.mean_prediction", "GroupFigures.mean_target"),
    ),
    Term(
        name="threshold",
        theme=Theme.FIGURE,
        brief="Where the score is cut: a score above it is decided positive.",
        text=(
            "Of the deployed system it is --threshold, else 0.5. Of a repaired file it is 0.5 where the chosen cut was "
            "folded into the last bias, else the contract in the file records it.",
        ),
        aliases=("cut",),
        flags=("--threshold T",),
        related=("folding", "sweep", "threshold-only"),
        fields=("Figures.threshold", "Sweep.deployed", "SweepPoint.threshold", "TrajectoryStep.threshold"),
    ),
    Term(
        name="n",
        theme=Theme.FIGURE,
        brief="Number of rows; with --weight, the sum of their weights stands beside it.",
        flags=("--weight COLUMN",),
        aliases=("rows", "weight"),
        related=("small-group",),
        fields=("Figures.n", "GroupFigures.n", "GroupFigures.weight", "ClusterFigures.n"),
    ),
)

SPREAD_TERMS = (
    Term(
        name="tpr-sd",
        theme=Theme.SPREAD,
        brief="Standard deviation over groups of the true positive rate.",
        text=("Groups count alike, whatever their size. --sd-ddof 1 divides by one less than their number.",),
        formula="SD over groups a of P(ŷ = + | y = +, a)",
        span=Span(0, 0.5, f"{_ALIKE} (up to 0.71 with --sd-ddof 1)"),
        undefined=_FEW,
        example="Rates of 0.75 and 0.90: 0.075",
        sources=(Cited("fair-medl", "section 2.3.1"),),
        flags=("--dispersion", "--sd-ddof"),
        related=("fpr-sd", "equal-opportunity"),
        fields=("Dispersion.tpr_sd",),
    ),
    Term(
        name="fpr-sd",
        theme=Theme.SPREAD,
        brief="Standard deviation over groups of the false positive rate.",
        formula="SD over groups a of P(ŷ = + | y = −, a)",
        span=Span(0, 0.5, f"{_ALIKE} (up to 0.71 with --sd-ddof 1)"),
        undefined=_FEW,
        example="Rates of 0.20 and 0.30: 0.05",
        sources=(Cited("fair-medl", "section 2.3.1"),),
        flags=("--dispersion", "--sd-ddof"),
        related=("tpr-sd", "predictive-equality"),
        fields=("Dispersion.fpr_sd",),
    ),
    Term(
        name="mse-sd",
        theme=Theme.SPREAD,
        brief="Standard deviation over groups of the mean squared error, of a network that predicts a number.",
        formula="SD over groups a of E[(ŷ − y)² | a]",
        span=Span(0, inf, _ALIKE, "squared units of the target"),
        undefined=_FEW,
        example="Mean squared errors of 4 and 6: 1",
        sources=(Cited("fair-medl", "section 2.3.1"),),
        flags=("--dispersion", "--sd-ddof"),
        related=("mse-dispersion", "mse"),
        fields=("Dispersion.mse_sd",),
    ),
    Term(
        name="demographic-parity",
        theme=Theme.SPREAD,
        brief="Mean absolute difference of the selection rates over all pairs of groups; of a regression, of the mean "
        "predictions.",
        formula="mean over pairs a, b of |P(ŷ = + | a) − P(ŷ = + | b)|",
        span=Span(0, inf, f"{_ALIKE}; at most 1 for a network that decides"),
        undefined=_FEW,
        example="Selection rates of 0.42 and 0.60: 0.18",
        sources=(Cited("fair-medl", "eq. 3 and 4"),),
        aliases=("dp",),
        flags=("--dispersion",),
        related=("statistical-parity", "demographic-parity-soft"),
        fields=("Dispersion.demographic_parity",),
    ),
    Term(
        name="demographic-parity-soft",
        theme=Theme.SPREAD,
        brief="Demographic parity of the mean probabilities in place of the selection rates: no threshold has a part "
        "in it.",
        formula="mean over pairs a, b of |E[p | a] − E[p | b]|",
        span=Span(0, 1, _ALIKE),
        undefined=f"{_FEW}; of a regression, and where the model gives no probability",
        example="Mean probabilities of 0.45 and 0.55: 0.10",
        sources=(Cited("fair-medl", "eq. 3"),),
        flags=("--dispersion",),
        related=("demographic-parity", "proxy"),
        fields=("Dispersion.demographic_parity_soft",),
    ),
    Term(
        name="attribute-swap",
        theme=Theme.SPREAD,
        brief="Mean absolute change of the prediction when only the attribute's inputs are set to each other group.",
        text=(
            "The paper calls it counterfactual fairness. It is no causal statement: every other column stays as it is, "
            "those that go with the attribute among them.",
        ),
        formula="Σ_n Σ_{s' ≠ s_n} |p(x_n, s_n) − p(x_n, s')| / (N (k − 1))",
        span=Span(0, inf, "0 where the attribute's inputs change nothing; at most 1 for a probability"),
        undefined="the network does not read the attribute; proxies of it may still be among its inputs, so it is "
        "not 0",
        example="Two rows whose probability goes from 0.7 to 0.6 and from 0.2 to 0.5: (0.1 + 0.3) / 2 = 0.2",
        sources=(Cited("fair-medl", "eq. 6 and 7"),),
        aliases=("swap", "cf", "counterfactual fairness"),
        flags=("--dispersion",),
        related=("uses-attribute", "demographic-parity"),
        fields=("Dispersion.attribute_swap",),
    ),
)

EVIDENCE_TERMS = (
    Term(
        name="trajectory",
        theme=Theme.EVIDENCE,
        brief="Every candidate that a method made, with its bias and performance on the selection rows; the chosen one "
        "is marked.",
        text=("Step 0 is the unchanged network. Bias and performance are at the candidate's best cut.",),
        sources=(Cited("parity-proxies", "Figure 1"),),
        related=("candidate", "selection-rows"),
        fields=("Report.trajectory", "TrajectoryStep.balanced_accuracy", "TrajectoryStep.r2"),
    ),
    Term(
        name="sweep",
        theme=Theme.EVIDENCE,
        brief="What every other threshold would do on the verdict rows, before and after the repair.",
        text=("It took no part in any choice. A threshold picked from it is chosen on the rows that judge.",),
        related=("threshold", "threshold-only"),
        fields=("Report.sweeps", "SweepPoint.balanced_accuracy"),
    ),
    Term(
        name="layer-change",
        theme=Theme.EVIDENCE,
        brief="Norm of the change of a layer's weights and biases, divided by their norm before.",
        formula="‖after − before‖ / ‖before‖",
        span=Span(0, inf, "0 for a layer that was left alone, 1 for one whose numbers all went to 0"),
        undefined="all numbers of the layer were 0 before",
        example="Numbers 3 and 4 become 3 and 3.5: 0.5 / 5 = 0.1",
        related=("unit", "prune"),
        fields=("LayerChange.relative", "LayerChange.largest", "LayerChange.changed", "LayerChange.pruned"),
    ),
    Term(
        name="intersection",
        theme=Theme.EVIDENCE,
        brief="The groups of several attributes crossed, as women over 40.",
        text=(
            "--attr 'sex*age' sets a bound for them. Without it a report with two attributes counts them all the same, "
            "because groups that are alike one attribute at a time may differ when crossed.",
        ),
        flags=("--attr 'sex*race'",),
        aliases=("crossing", "crossed groups", "intersectional"),
        related=("small-group", "unknown"),
        fields=("Report.crossings", "Crossing.unknown"),
    ),
    Term(
        name="gain-over-threshold",
        theme=Theme.EVIDENCE,
        brief="Objective of the repaired network on the verdict rows, minus that of the unchanged network at its best "
        "feasible threshold.",
        span=Span(-inf, 1, "at or below 0 the repair was not worth its price"),
        undefined="an objective is undefined",
        related=("threshold-only", "objective"),
        fields=("Change.gain_over_threshold",),
    ),
)
