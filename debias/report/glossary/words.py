"""The other words of reports and flags: methods' signals, clusters, folds, and what data are called."""

from __future__ import annotations

from math import inf

from debias.report.glossary.term import Cited, Span, Term, Theme

PROXY_TERMS = (
    Term(
        name="proxy",
        theme=Theme.PROXY,
        brief="Differentiable stand-in for the bias: difference of the groups' mean scores in place of their rates.",
        text=(
            "Of statistical parity the means are over all rows (eq. 1), of equal opportunity over those with the "
            "favourable label (eq. 2). No threshold has a part in it, so that a gradient exists.",
        ),
        formula="mean of f(x) where a = 0, minus mean of f(x) where a = 1",
        span=Span(-1, 1, "0 where the means are alike"),
        undefined="a group has no row that counts",
        example="Mean scores of 0.45 and 0.55: 0.45 − 0.55 = −0.10",
        sources=(Cited("parity-proxies", "eq. 1 and 2"),),
        aliases=("parity proxy", "proxies"),
        related=("influence", "gda", "prune", "demographic-parity-soft"),
    ),
    Term(
        name="influence",
        theme=Theme.PROXY,
        brief="Gradient of the proxy at a hidden unit, over all rows: which unit the bias hangs on.",
        sources=(Cited("parity-proxies", "eq. 4"),),
        flags=("--influence",),
        related=("proxy", "unit", "prune"),
    ),
    Term(
        name="unit",
        theme=Theme.PROXY,
        brief="One output of a hidden layer; prune takes it out of the network.",
        aliases=("neuron", "hidden unit"),
        related=("influence", "prune", "layer-change"),
    ),
    Term(
        name="critic",
        theme=Theme.PROXY,
        brief="A second network that learns to read the bias of a batch from the last hidden layer.",
        sources=(Cited("savani-2020"),),
        related=("adversarial", "information"),
    ),
)

CLUSTER_TERMS = (
    Term(
        name="cluster",
        theme=Theme.CLUSTER,
        brief="Rows that have something in common: a hospital, a branch, an occupation.",
        flags=("--cluster COLUMN",),
        aliases=("seen", "unseen", "known cluster", "unknown cluster"),
        related=("mixed-effects", "unseen-z"),
        fields=("Report.effects", "Effects.seen", "Effects.unseen", "ClusterFigures.known"),
    ),
    Term(
        name="mixed-effects",
        theme=Theme.CLUSTER,
        brief="A prediction with what is particular to the row's cluster; fixed effects hold for all clusters.",
        text=("The gap bias(mixed) − bias(fixed) says how much of the bias comes in through the random effects.",),
        sources=(Cited("fair-medl", "section 2.2"),),
        aliases=("fixed-effects", "random-effects", "effects gap"),
        related=("cluster", "draws", "medl"),
        fields=("HeadFigures.head", "EffectsGap.mixed", "EffectsGap.fixed", "EffectsGap.gap"),
    ),
    Term(
        name="unseen-z",
        theme=Theme.CLUSTER,
        brief="How rows of a cluster that the network does not know are scored: soft, hard, zero or error.",
        text=(
            "soft: with the predicted probabilities of the known clusters; hard: with the likeliest; zero: by the "
            "fixed effects alone; error: refused with their rows.",
        ),
        flags=("--unseen-z",),
        aliases=("soft", "hard", "zero", "z-predictor"),
        related=("cluster", "mixed-effects"),
        fields=("Effects.unseen_z",),
    ),
    Term(
        name="draws",
        theme=Theme.CLUSTER,
        brief="The random effects drawn from their posterior, to see how far figures and decisions hang on what is not "
        "known of the clusters.",
        text=("The rows stay the same, so these are no confidence intervals for other rows.",),
        flags=("--draws M",),
        aliases=("flipped",),
        related=("mixed-effects", "interval"),
        fields=(
            "Draws.flipped",
            "Draws.flipped_per_draw",
            "Draws.prediction_sd",
            "DrawnFigure.value",
            "DrawnFigure.low",
            "DrawnFigure.high",
        ),
    ),
    Term(
        name="information",
        theme=Theme.CLUSTER,
        brief="What a freshly trained adversary still reads about an attribute in (prediction, label), in bits a row.",
        formula="mean of log2 p(group | prediction, label) − log2 p(group | label), on rows that it did not see",
        span=Span(-inf, inf, "near 0, or a little below, it reads nothing; at most `entropy`", "bits"),
        undefined="the adversary could not be fitted",
        sources=(Cited("fair-medl", "section 2.4"),),
        flags=("--fresh-adversary",),
        aliases=("fresh adversary", "bits", "leakage"),
        related=("attribute-swap", "critic"),
        fields=("Information.bits", "Information.error", "Information.entropy"),
    ),
)

TRAINING_TERMS = (
    Term(
        name="importance",
        theme=Theme.TRAINING,
        brief="Mean gradient magnitude of the prediction with respect to a column, times the column's standard "
        "deviation.",
        formula="E[|∂ŷ/∂x_j|] · SD(x_j)",
        span=Span(0, inf, "0 where the prediction does not move with the column"),
        sources=(Cited("fair-medl", "section 2.7"),),
        aliases=("gradient importance", "slope"),
        related=("probe",),
    ),
    Term(
        name="probe",
        theme=Theme.TRAINING,
        brief="A column that tells the cluster's rate of the label and nothing else; a network should not lean on it.",
        sources=(Cited("fair-medl", "section 2.7"),),
        flags=("--probes",),
        aliases=("confounder",),
        related=("importance",),
    ),
    Term(
        name="paired-bootstrap",
        theme=Theme.TRAINING,
        brief="Resampling of rows, the same draw for all networks: how sure a difference between two of them is.",
        aliases=("bootstrap",),
        related=("holm", "interval"),
    ),
    Term(
        name="score-j",
        theme=Theme.TRAINING,
        brief="What training keeps the best epoch by: balanced accuracy less half the mean spread over groups.",
        formula="balanced accuracy − 0.5 · mean over attributes of (TPR SD + FPR SD)",
        span=Span(-inf, 1, "the higher the better"),
        aliases=("j",),
        related=("tpr-sd", "fpr-sd", "balanced-accuracy"),
    ),
    Term(
        name="pareto-front",
        theme=Theme.TRAINING,
        brief="The networks that no other one beats in both performance and bias.",
        aliases=("front", "pareto"),
        related=("objective", "finetune"),
    ),
)

WORD_TERMS = (
    Term(
        name="metric",
        theme=Theme.WORD,
        brief="What of the groups is compared; --metric names it, and debias help lists all.",
        flags=("--metric",),
        related=("statistical-parity", "equal-opportunity", "bias"),
        fields=("Report.metric", "Report.metric_formula"),
    ),
    Term(
        name="protected-attribute",
        theme=Theme.WORD,
        brief="What groups are made by: sex, race, age. It need not be an input of the network.",
        flags=("--attr COLUMN",),
        aliases=("attribute", "sensitive attribute", "group"),
        related=("privileged", "intersection", "uses-attribute"),
    ),
    Term(
        name="privileged",
        theme=Theme.WORD,
        brief="The group that the other is compared with; the bias is unprivileged minus privileged.",
        text=("Of more than two groups none need be named. The report says which it is and how it was found.",),
        flags=("--privileged VALUE",),
        aliases=("unprivileged", "reference group"),
        related=("bias", "protected-attribute"),
    ),
    Term(
        name="favourable",
        theme=Theme.WORD,
        brief="The decision that is good for a person; all rates refer to it, and formulas write it +.",
        text=(
            "It need not be the positive one: where a high score predicts fraud, the negative decision is the good one "
            "(--favorable negative).",
        ),
        flags=("--favorable",),
        aliases=("favorable", "+", "favourable label"),
        related=("positive-label", "selection-rate"),
        fields=("Report.favorable",),
    ),
    Term(
        name="positive-label",
        theme=Theme.WORD,
        brief="The value of the label that a high score predicts.",
        flags=("--positive VALUE",),
        aliases=("positive",),
        related=("favourable",),
        fields=("Report.positive_label",),
    ),
    Term(
        name="unknown",
        theme=Theme.WORD,
        brief="Rows without a value of the attribute; reports count them, whatever --missing-attr does with them.",
        flags=("--missing-attr",),
        aliases=("missing attribute",),
        related=("protected-attribute", "intersection"),
        fields=("Rows.missing_attribute",),
    ),
    Term(
        name="small-group",
        theme=Theme.WORD,
        brief="A group whose rates jump because it has few rows; look at its interval, not at its figure.",
        text=("--min-group merges small groups into one, (other); by default none.",),
        flags=("--min-group N",),
        aliases=("min-group", "(other)"),
        related=("interval", "undefined"),
    ),
    Term(
        name="uses-attribute",
        theme=Theme.WORD,
        brief="Whether the written model needs the protected attribute at prediction: yes for roc and eqodds.",
        text=(
            "Such a model treats people with the same features differently by group. Whether that is allowed is a "
            "question of law, not of software.",
        ),
        related=("roc", "eqodds", "attribute-swap"),
        fields=("Report.uses_attribute",),
    ),
    Term(
        name="calibration",
        theme=Theme.WORD,
        brief="Whether a score of 0.7 comes true in 70 of 100 cases; weight edits and folding move it.",
        related=("brier", "folding"),
    ),
    Term(
        name="contract",
        theme=Theme.WORD,
        brief="What a model file is told once: its inputs, their columns and encoding, the label, the attributes, the "
        "threshold.",
        flags=("--contract FILE",),
        related=("threshold", "positive-label"),
    ),
    Term(
        name="pre-flight",
        theme=Theme.WORD,
        brief="The checks of a model file before PyTorch loads it, because loading can run code of whoever made it.",
        flags=("--trust",),
        aliases=("preflight", "trust"),
        related=("contract",),
        fields=("Report.trusted",),
    ),
)
