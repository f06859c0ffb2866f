"""Verdicts, how candidates are chosen, and how sure a figure is."""

from __future__ import annotations

from math import inf

from debias.report.glossary.term import Cited, Span, Term, Theme

VERDICT_TERMS = (
    Term(
        name="pass",
        theme=Theme.VERDICT,
        brief="Every bound is met on the verdict rows; exit code 0.",
        text=(
            "Without --confidence: |bias| < eps for every attribute, by the figures as counted. With it: both "
            "one-sided bounds of every difference lie inside (−eps, eps).",
            "It speaks of one metric, one bound and these rows. It is no statement that a model is fair or lawful.",
        ),
        aliases=("exit code 0",),
        related=("fail", "inconclusive", "eps", "verdict-rows"),
        fields=("Report.verdict",),
    ),
    Term(
        name="fail",
        theme=Theme.VERDICT,
        brief="A bound is not met on the verdict rows, or no candidate met it on the selection rows; exit code 1.",
        text=(
            "The report is written; the repaired model only with --keep-best. With --confidence a fail needs one "
            "difference shown to be at or beyond the bound, corrected for the number of comparisons.",
        ),
        aliases=("exit code 1",),
        related=("pass", "inconclusive", "candidate"),
    ),
    Term(
        name="inconclusive",
        theme=Theme.VERDICT,
        brief="With --confidence: the rows show neither that the bound is met nor that it is not; exit code 3.",
        text=(
            "The report says how many more rows of which group would settle it at the rates observed. A rate that no "
            "row bears on, and verdict rows that took part in the choice, make a verdict inconclusive too.",
        ),
        flags=("--confidence 0.95",),
        aliases=("exit code 3",),
        related=("confidence", "more-rows", "undefined"),
    ),
    Term(
        name="no-bound",
        theme=Theme.VERDICT,
        brief="An audit without --eps measures and gives no verdict; exit code 0.",
        aliases=("no bound",),
        related=("pass", "eps"),
    ),
    Term(
        name="undefined",
        theme=Theme.VERDICT,
        brief="A figure has no value because no row bears on it; reports show –, JSON null, never 0.",
        text=(
            "A group without favourable labels has no true positive rate. Where the asked metric needs it, the run "
            "ends with exit code 2 and says which rows are missing; with --confidence the verdict is inconclusive.",
        ),
        aliases=("–", "null", "none"),
        related=("tpr", "small-group"),
    ),
    Term(
        name="exit-code",
        theme=Theme.VERDICT,
        brief="0 bound met or none asked, 1 not met, 2 usage, data or model error, 3 inconclusive, 130 interrupted.",
        text=(
            "Reports are written before it is decided, and after an error nothing half written is left behind.",
            "--exit-zero makes it 0 instead of 1 or 3, never of 2.",
        ),
        aliases=("exit code 2", "exit code 130", "exit status", "return code"),
        related=("pass", "fail", "inconclusive"),
        fields=("Report.exit_code",),
    ),
    Term(
        name="baseline",
        theme=Theme.VERDICT,
        brief="A file of findings that are known and accepted: they do not count for the exit code.",
        text=("A bias that is larger than the one accepted, or has the other sign, is a new finding.",),
        flags=("--baseline FILE", "--write-baseline FILE"),
        aliases=("accepted findings",),
        related=("exit-code", "fail"),
        fields=("Report.baseline",),
    ),
    Term(
        name="more-rows",
        theme=Theme.VERDICT,
        brief="How many more verdict rows of which group would settle an inconclusive verdict, at the rates observed.",
        related=("inconclusive", "confidence"),
        fields=("Report.more_rows", "MoreRows.rows"),
    ),
    Term(
        name="optimistic",
        theme=Theme.VERDICT,
        brief="The verdict rows took part in choosing the candidate, so its figures look better than on other rows.",
        text=("--test with other rows, or a --holdout above 0, avoids it.",),
        related=("verdict-rows", "overlap"),
        fields=("Report.optimistic",),
    ),
    Term(
        name="unsure",
        theme=Theme.VERDICT,
        brief="Of a method in compare: the bound holds on the verdict rows, but not where the method was chosen as the "
        "selection asks for it.",
        text=("Its figures on the verdict rows may be chance: the choice does not look at them.",),
        related=("selection-rows", "verdict-rows", "optimistic"),
    ),
)

CHOICE_TERMS = (
    Term(
        name="eps",
        theme=Theme.CHOICE,
        brief="The bound: the absolute bias must be below it.",
        text=("Of a regression it is in units of the target, or in their squares.",),
        flags=("--eps BOUND", "--min-ratio RATIO"),
        aliases=("bound", "epsilon", "ε"),
        related=("bias", "objective", "margin"),
        fields=("Report.eps",),
    ),
    Term(
        name="objective",
        theme=Theme.CHOICE,
        brief="The performance where every bound is met, else 0.",
        formula="performance · 1[|bias| < eps]",
        span=Span(0, 1, "0 where a bound is missed"),
        text=("R² below 0 counts as 0.",),
        example="Balanced accuracy 0.71 with a bias of −0.02 under eps = 0.05: 0.71",
        sources=(Cited("parity-proxies", "eq. 3"), Cited("savani-2020")),
        aliases=("constrained objective", "bias-constrained objective"),
        related=("eps", "balanced-accuracy", "chance"),
        fields=("Figures.objective", "Figures.performance", "TrajectoryStep.objective"),
    ),
    Term(
        name="candidate",
        theme=Theme.CHOICE,
        brief="A network that a method made, judged on the selection rows at every threshold.",
        text=("It is feasible where the rule of --selection is met; the best feasible one is written.",),
        aliases=("feasible",),
        related=("trajectory", "selection-rows", "min-performance"),
    ),
    Term(
        name="chance",
        theme=Theme.CHOICE,
        brief="Selection rule (default): the chance that the bound holds on the verdict rows is at least 0.99 of that "
        "of an unbiased candidate.",
        text=(
            "The noise of the selection rows and of the verdict rows is counted, from the sizes and rates of the "
            "groups. Few rows ask for a smaller bias, but never for more than an unbiased candidate could give.",
        ),
        formula="P(|bias + noise| < eps) ≥ 0.99 P(|noise| < eps)",
        sources=(Cited("agresti-2000"),),
        flags=("--selection chance",),
        related=("margin", "expected", "confident"),
    ),
    Term(
        name="margin",
        theme=Theme.CHOICE,
        brief="Selection rule: |bias| < eps − margin on the selection rows, then the best performance.",
        formula="|bias| < eps − margin",
        sources=(Cited("parity-proxies", "eq. 3 and appendix C"),),
        flags=("--selection margin", "--margin M"),
        related=("chance", "eps"),
        fields=("Report.margin",),
    ),
    Term(
        name="expected",
        theme=Theme.CHOICE,
        brief="Selection rule: |bias| < eps, then the best performance times the chance that the bound holds on the "
        "verdict rows.",
        flags=("--selection expected",),
        related=("chance", "objective"),
    ),
    Term(
        name="confident",
        theme=Theme.CHOICE,
        brief="Selection rule: both one-sided bounds on the bias lie inside (−eps, eps) on the selection rows.",
        flags=("--selection confident",),
        related=("confidence", "chance"),
    ),
    Term(
        name="min-performance",
        theme=Theme.CHOICE,
        brief="Least balanced accuracy of a candidate, of a regression R²; a worse one is never chosen.",
        text=("0.55 by default: a network that approves everyone has no bias and is of no use.",),
        flags=("--min-performance SHARE",),
        related=("candidate",),
        fields=("Report.min_performance",),
    ),
    Term(
        name="selection-rows",
        theme=Theme.CHOICE,
        brief="Rows on which candidates are compared and the threshold is chosen: --data, less what is set aside.",
        text=("Figures on them are optimistic by construction, and reports keep them apart.",),
        related=("verdict-rows", "training-rows", "optimistic"),
        fields=("Rows.selection",),
    ),
    Term(
        name="verdict-rows",
        theme=Theme.CHOICE,
        brief="Rows that the figures and the verdict are of: --test, else the part of --data that was set aside before "
        "anything looked at it.",
        flags=("--test FILE", "--holdout SHARE"),
        aliases=("holdout", "test rows"),
        related=("selection-rows", "optimistic", "overlap"),
        fields=("Rows.verdict",),
    ),
    Term(
        name="training-rows",
        theme=Theme.CHOICE,
        brief="Rows for influences and gradients: --train, else the selection rows or a part set apart from them.",
        flags=("--train FILE", "--fit-share SHARE"),
        aliases=("fit-share",),
        related=("selection-rows", "pool"),
        fields=("Rows.train",),
    ),
    Term(
        name="overlap",
        theme=Theme.CHOICE,
        brief="Rows of --test that also occur in --data; where all do, the figures are optimistic.",
        related=("optimistic", "verdict-rows"),
        fields=("Rows.overlap",),
    ),
    Term(
        name="pool",
        theme=Theme.CHOICE,
        brief="The bias of a candidate is estimated on the training rows too, at half weight; performance never is.",
        flags=("--pool/--no-pool",),
        related=("training-rows", "chance"),
    ),
    Term(
        name="threshold-only",
        theme=Theme.CHOICE,
        brief="The unchanged network at its best threshold that meets the bound: the yardstick of every repair.",
        related=("gain-over-threshold", "best-threshold", "threshold"),
        fields=("Report.threshold_only",),
    ),
    Term(
        name="best-threshold",
        theme=Theme.CHOICE,
        brief="The unchanged network at its threshold of best performance, whatever its bias.",
        related=("threshold-only",),
        fields=("Report.best_threshold",),
    ),
    Term(
        name="folding",
        theme=Theme.CHOICE,
        brief="The chosen threshold is moved into the last bias, so that the written network is cut at 0.5 as before.",
        text=("It moves every score by the same amount on the logit scale: calibrate again.",),
        aliases=("folded",),
        related=("calibration", "threshold"),
        fields=("Change.folded",),
    ),
)

INTERVAL_TERMS = (
    Term(
        name="interval",
        theme=Theme.INTERVAL,
        brief="Confidence interval of a figure from these rows alone: how far it could lie elsewhere on other rows of "
        "the same kind.",
        text=(
            "The intervals of more than two groups hold jointly for all pairs. An interval that reaches beyond the "
            "bound says that the same model may miss it on other rows.",
        ),
        aliases=("confidence interval", "ci"),
        related=("confidence", "clopper-pearson", "welch"),
        fields=("Parity.interval", "IntervalFigures.low", "IntervalFigures.high", "IntervalFigures.confidence"),
    ),
    Term(
        name="confidence",
        theme=Theme.INTERVAL,
        brief="The verdict asks for both one-sided bounds of every difference at this confidence: pass, fail or "
        "inconclusive.",
        text=(
            "Pass: two one-sided tests, each at the whole level; a pass of several differences needs each to pass its "
            "own, so that no correction is needed. Fail: one difference shown to be outside, corrected over pairs and "
            "attributes. A wrong pass has a chance of at most 1 − confidence, as far as the intervals hold what they "
            "say.",
        ),
        sources=(Cited("schuirmann-1987"), Cited("berger-1982"), Cited("holm-1979")),
        flags=("--confidence 0.95",),
        aliases=("two one-sided tests", "tost"),
        related=("inconclusive", "holm", "interval"),
        fields=("Report.confidence",),
    ),
    Term(
        name="clopper-pearson",
        theme=Theme.INTERVAL,
        brief="Interval of a difference or ratio of rates from the exact limits of each rate (the default).",
        text=(
            "The exact limits of two rates are joined by the square-and-add rule, of ratios by its form for ratios.",
        ),
        sources=(Cited("clopper-1934"), Cited("zou-2008"), Cited("donner-2012")),
        aliases=("exact interval", "mover", "square-and-add"),
        related=("newcombe", "miettinen-nurminen", "koopman"),
    ),
    Term(
        name="newcombe",
        theme=Theme.INTERVAL,
        brief="Interval of a difference of rates from Wilson's limits of each, by the square-and-add rule.",
        sources=(Cited("newcombe-1998", "method 10"),),
        related=("wilson", "clopper-pearson"),
    ),
    Term(
        name="wilson",
        theme=Theme.INTERVAL,
        brief="Interval of one rate: the rates that a score test does not reject.",
        sources=(Cited("wilson-1927"),),
        related=("newcombe",),
    ),
    Term(
        name="miettinen-nurminen",
        theme=Theme.INTERVAL,
        brief="Interval of a difference of rates: the differences that a score test does not reject.",
        sources=(Cited("miettinen-1985"),),
        related=("koopman", "clopper-pearson"),
    ),
    Term(
        name="koopman",
        theme=Theme.INTERVAL,
        brief="Interval of a ratio of rates: the ratios that a score test does not reject.",
        sources=(Cited("koopman-1984"),),
        related=("miettinen-nurminen", "impact-ratio"),
    ),
    Term(
        name="welch",
        theme=Theme.INTERVAL,
        brief="Interval of a difference of two means with different variances, for networks that predict a number.",
        sources=(Cited("welch-1947"),),
        related=("mean-difference", "mse-dispersion"),
    ),
    Term(
        name="holm",
        theme=Theme.INTERVAL,
        brief="Correction for several comparisons: the smallest p-value counts times their number, the next times one "
        "less, and so on.",
        sources=(Cited("holm-1979"),),
        aliases=("holm-bonferroni", "step-down", "corrected p"),
        related=("confidence", "paired-bootstrap"),
    ),
    Term(
        name="effective-rows",
        theme=Theme.INTERVAL,
        brief="Of weighted rows: how many unweighted ones would tell as much.",
        formula="(Σ w)² / Σ w²",
        span=Span(0, inf, "n where all weights are alike"),
        example="Weights 1, 1 and 2: 16 / 6 = 2.67",
        sources=(Cited("kish-1965"),),
        related=("interval", "n"),
    ),
)
