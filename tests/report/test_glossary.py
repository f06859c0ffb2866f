"""The glossary: every word that code and reports use stands in it, and what it says of figures is so."""

from __future__ import annotations

import json
import re
from math import sqrt
from typing import Any, get_args

import fairlearn.metrics as fair
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from sklearn import metrics as sklearn_metrics
from statsmodels.stats.proportion import proportions_ztest

from debias import methods
from debias.cli import choices
from debias.errors import UsageError
from debias.fairness import metrics
from debias.fairness.assessment import Conclusion
from debias.fairness.counts import count
from debias.fairness.dispersion import Measure, dispersion
from debias.fairness.intervals import DifferenceMethod, RateMethod, RatioMethod
from debias.objective.constrained import Performance, Verdict
from debias.objective.selection import Selection
from debias.report import regulations
from debias.report.findings.rules import all_rules
from debias.report.glossary import SOURCES, Cited, Term, Theme, find, key, terms
from debias.report.glossary.lines import list_lines, term_lines
from debias.report.values.effects import ClusterFigures, DrawnFigure, Draws, EffectsGap, Information
from debias.report.values.evidence import LayerChange, SweepPoint
from debias.report.values.figures import Dispersion, Figures, GroupFigures, IntervalFigures, Parity
from debias.report.values.impact import Compared, GroupImpact, Impact, RateImpact
from debias.report.values.report import Change, Report, TrajectoryStep
from debias.training.kinds import KINDS

NAMES = [term.name for term in terms()]
# Two groups of 100, of which 40 and 50 have the favourable label; 42 and 60 are approved.
GROUPS = {"women": {"tp": 30, "fn": 10, "fp": 12, "tn": 48}, "men": {"tp": 45, "fn": 5, "fp": 15, "tn": 35}}


def rows() -> tuple[Any, Any, Any]:
    """Return labels, decisions and groups (0 women, 1 men) of the example, one entry a row."""
    y, decided, group = [], [], []
    for number, cells in enumerate(GROUPS.values()):
        for cell, n in cells.items():
            y += [int(cell in ("tp", "fn"))] * n
            decided += [int(cell in ("tp", "fp"))] * n
            group += [number] * n
    return np.array(y), np.array(decided), np.array(group)


def last_number(text: str) -> float:
    return float(re.findall(r"−?\d+(?:,\d{3})*(?:\.\d+)?", text)[-1].replace("−", "-").replace(",", ""))


def one(name: str, theme: Theme | None = None) -> Term:
    (found,) = (term for term in find(name) if term.name == name and theme in (None, term.theme))
    return found


@pytest.mark.parametrize(
    "words",
    [
        get_args(metrics.Metric),
        [info.alias for info in metrics.METRICS.values()],
        get_args(Performance),
        get_args(Verdict),
        get_args(Conclusion),
        get_args(Selection),
        get_args(Measure),
        get_args(DifferenceMethod) + get_args(RatioMethod) + get_args(RateMethod),
        get_args(metrics.Rate),
        methods.names(),
        [*KINDS, "mlp"],
        [item.value for item in choices.UnseenZ if item.value != "error"],
        [item.value for item in choices.Metric],
        regulations.ids(),
        [rule.id for rule in all_rules()] + [rule.name for rule in all_rules()],
    ],
    ids=str,
)
def test_every_word_of_the_code_is_there(words: list[str]) -> None:
    for word in words:
        assert find(word)


def numeric(model: type[BaseModel]) -> list[str]:
    """Return the fields of a report part that hold a number which a reader may ask about."""
    shape = model.model_json_schema(mode="serialization")["properties"]
    found = []
    for name, field in shape.items():
        kinds = {kind.get("type") for kind in (field, *field.get("anyOf", ()), field.get("items", {}))}
        if "number" in kinds:
            found.append(f"{model.__name__}.{name}")
    return found


@pytest.mark.parametrize(
    "model",
    [
        Figures,
        GroupFigures,
        Parity,
        Dispersion,
        SweepPoint,
        LayerChange,
        ClusterFigures,
        EffectsGap,
        Draws,
        DrawnFigure,
        Information,
        TrajectoryStep,
        IntervalFigures,
        Compared,
        GroupImpact,
        RateImpact,
        Impact,
    ],
    ids=lambda model: model.__name__,
)
def test_every_figure_of_a_report_is_there(model: type[BaseModel]) -> None:
    told = {field for term in terms() for field in term.fields} | {"Draws.share"}  # a setting
    assert [field for field in numeric(model) if field not in told] == []


def test_fields_exist() -> None:
    from debias.report.values import effects, evidence, figures, impact
    from debias.report.values import report as model

    homes = {
        name: value
        for home in (effects, evidence, figures, impact, model)
        for name, value in vars(home).items()
        if isinstance(value, type) and issubclass(value, BaseModel)
    }
    for term in terms():
        for field in term.fields:
            part, _, name = field.partition(".")
            assert name in homes[part].model_fields, field
    assert {Change, Report} <= set(homes.values())


@pytest.mark.parametrize("term", terms(), ids=lambda term: f"{term.theme.name}-{term.name}")
def test_a_term_is_whole(term: Term) -> None:
    assert term.brief.endswith(".") and len(term.brief) < 220
    assert all(paragraph.endswith(".") for paragraph in term.text)
    assert key(term.name) == term.name
    assert set(term.related) <= set(NAMES) - ({term.name} if term.theme is not Theme.METRIC else set())
    assert all(cited.key in SOURCES for cited in term.sources if isinstance(cited, Cited))
    if term.theme in (Theme.METRIC, Theme.PERFORMANCE, Theme.SPREAD):
        assert term.formula and term.span and term.example
        assert term.flags
    if term.theme in (Theme.METRIC, Theme.SPREAD):
        assert term.undefined
    if term.theme is Theme.METHOD:
        assert term.sources
    assert json.loads(json.dumps(term.content()))["name"] == term.name


def test_names_are_unique_within_a_theme_and_aliases_lead_to_one_meaning() -> None:
    assert len({(term.theme, term.name) for term in terms()}) == len(terms())
    taken: dict[str, set[str]] = {}
    for term in terms():
        for name in (term.name, *term.aliases):
            taken.setdefault(key(name), set()).add(term.name)
    # eqodds is a metric's alias and a method; threshold a figure and a method.
    assert {name: found for name, found in taken.items() if len(found) > 1} == {"eqodds": {"equalized-odds", "eqodds"}}


def test_every_source_is_cited() -> None:
    assert {cited.key for term in terms() for cited in term.sources if isinstance(cited, Cited)} == set(SOURCES)


def test_examples_of_parity_metrics_are_what_fairlearn_counts() -> None:
    y, decided, group = rows()
    frame = fair.MetricFrame(
        metrics={"sel": fair.selection_rate, "tpr": fair.true_positive_rate, "fpr": fair.false_positive_rate},
        y_true=y,
        y_pred=decided,
        sensitive_features=group,
    ).by_group
    women, men = frame.loc[0], frame.loc[1]
    expected = {
        "statistical-parity": women.sel - men.sel,
        "equal-opportunity": women.tpr - men.tpr,
        "predictive-equality": women.fpr - men.fpr,
        "equalized-odds": women.tpr - men.tpr,
        "impact-ratio": women.sel / men.sel - 1,
        "selection-rate": women.sel,
        "tpr": women.tpr,
        "fpr": women.fpr,
        "demographic-parity": abs(women.sel - men.sel),
        "tpr-sd": np.std([women.tpr, men.tpr]),
        "fpr-sd": np.std([women.fpr, men.fpr]),
    }
    for name, value in expected.items():
        assert last_number(one(name).example) == pytest.approx(value, abs=5e-4), name
    counts = count(decided, y, group, 2)
    for name in get_args(metrics.Metric)[:5]:
        assert metrics.bias(counts, name).value == pytest.approx(expected[name])


def test_examples_of_performance_are_what_sklearn_counts() -> None:
    y, decided, _ = rows()
    expected = {
        "balanced-accuracy": sklearn_metrics.balanced_accuracy_score(y, decided),
        "accuracy": sklearn_metrics.accuracy_score(y, decided),
        "f1": sklearn_metrics.f1_score(y, decided),
        "auroc": sklearn_metrics.roc_auc_score([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.2]),
        "brier": sklearn_metrics.brier_score_loss([1, 0], [0.9, 0.2]),
        "r2": sklearn_metrics.r2_score([2, -2], [1, -1]),
        "mse": sklearn_metrics.mean_squared_error([0, 0], [1, -3]),
        "mae": sklearn_metrics.mean_absolute_error([0, 0], [1, -3]),
        "mse-sd": np.std([4, 6]),
        "mse-dispersion": np.std([4, 6]),
        "mean-difference": 30_000 - 32_500,
        "attribute-swap": np.mean([abs(0.7 - 0.6), abs(0.2 - 0.5)]),
        "demographic-parity-soft": 0.10,
        "mse-share": 3 / np.var([2, -2]),
        "proxy": 0.45 - 0.55,
        "layer-change": np.linalg.norm([0, 0.5]) / np.linalg.norm([3, 4]),
        "effective-rows": (1 + 1 + 2) ** 2 / (1 + 1 + 4),
        "objective": 0.71,
        "four-fifths": 0.42 / 0.60,
        "z-test": proportions_ztest([42, 60], [100, 100])[0],
        "smd": (0.5 - 0.6) / 0.25,
        "scoring-rate": np.mean(np.array([0.4, 0.6, 0.8]) > np.median([0.2, 0.4, 0.6, 0.8])),
    }
    for name, value in expected.items():
        assert last_number(one(name, None).example) == pytest.approx(value, abs=5e-3 if value > 2 else 5e-4), name
    worked = {term.name for term in terms() if term.example}
    others = set(get_args(metrics.Metric)) | {"selection-rate", "tpr", "fpr", "demographic-parity", "tpr-sd", "fpr-sd"}
    assert worked == set(expected) | others, "an example that no test works out"


cell = st.integers(0, 40)


@given(st.lists(st.tuples(cell, cell, cell, cell), min_size=2, max_size=5))
def test_figures_stay_within_the_range_that_is_told(groups: list[tuple[int, int, int, int]]) -> None:
    parts: list[tuple[int, int, int]] = []
    for number, (tp, fn, fp, tn) in enumerate(groups):
        parts += [(1, 1, number)] * tp + [(1, 0, number)] * fn + [(0, 1, number)] * fp + [(0, 0, number)] * tn
    if not parts:
        return
    y, decided, codes = map(np.array, zip(*parts, strict=True))
    counts = count(decided, y, codes, len(groups))
    found: dict[str, float | None] = {
        name: metrics.bias(counts, name).value for name in get_args(metrics.Metric) if metrics.METRICS[name].rates
    }
    spread = dispersion(counts)
    found |= {"tpr-sd": spread.tpr_sd, "fpr-sd": spread.fpr_sd, "demographic-parity": spread.demographic_parity}
    found |= {"balanced-accuracy": metrics.balanced_accuracy(counts), "accuracy": metrics.accuracy(counts)}
    for name, value in found.items():
        span = one(name).span
        assert span is not None
        assert value is None or span.low - 1e-9 <= value <= span.high + 1e-9, (name, value)


def test_the_ends_of_the_ranges_are_reached() -> None:
    """One group is always right or always approved, the other never."""
    y, codes = np.array([1, 0, 1, 0]), np.array([0, 0, 1, 1])
    counts = count(np.array([0, 0, 1, 1]), y, codes, 2)
    for name in ("statistical-parity", "equal-opportunity", "predictive-equality", "equalized-odds", "impact-ratio"):
        assert metrics.bias(counts, name).value == one(name).span.low == -1  # type: ignore[union-attr, arg-type]
    assert dispersion(counts).tpr_sd == one("tpr-sd").span.high  # type: ignore[union-attr]
    assert dispersion(counts, ddof=1).tpr_sd == pytest.approx(sqrt(0.5))
    assert "0.71" in str(one("tpr-sd").span)


def test_what_is_told_to_be_undefined_is() -> None:
    codes = np.array([0, 0, 1, 1])
    no_positives = count(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 0]), codes, 2)
    assert "favourable label" in one("equal-opportunity").undefined
    assert metrics.bias(no_positives, "equal-opportunity").value is None
    no_negatives = count(np.array([0, 1, 0, 1]), np.array([1, 1, 1, 0]), codes, 2)
    assert "none without" in one("equalized-odds").undefined
    assert metrics.bias(no_negatives, "equalized-odds").value is None
    none_selected = count(np.zeros(4, int), np.array([0, 1, 1, 0]), codes, 2)
    assert "no row of any group is selected" in one("impact-ratio").undefined
    assert metrics.bias(none_selected, "impact-ratio").value is None


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("SPD", "statistical-parity"),
        ("Equal Opportunity", "equal-opportunity"),
        ("equal_opportunity", "equal-opportunity"),
        ("  true   positive rate ", "tpr"),
        ("TPR SD", "tpr-sd"),
        ("tpr_sd", "tpr-sd"),
        ("exit code 3", "inconclusive"),
        ("ε", "eps"),
        ("R²", "r2"),
        ("counterfactual fairness", "attribute-swap"),
        ("DP", "demographic-parity"),
        ("favorable", "favourable"),
    ],
)
def test_words_are_found_however_they_are_written(word: str, name: str) -> None:
    assert [term.name for term in find(word)] == [name]


def test_a_word_with_two_meanings_gives_both() -> None:
    assert [term.theme for term in find("eqodds")] == [Theme.METRIC, Theme.METHOD]
    assert [term.theme for term in find("threshold")] == [Theme.FIGURE, Theme.METHOD]


@pytest.mark.parametrize(
    ("word", "near"),
    [("equal oportunity", "equal-opportunity"), ("balanced", "balanced-accuracy"), ("clopper", "clopper-pearson")],
)
def test_an_unknown_word_names_the_nearest(word: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(word)
    assert f"'{near}'" in caught.value.problems[0].remedy


@pytest.mark.parametrize("word", ["", "\x1b[31m", "x" * 100_000, "\ud800", "‮sgu", "a\0b", "\n" * 3])
def test_a_hostile_word_is_refused_in_a_short_message(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(word)
    message = str(caught.value)
    assert len(message) < 400
    assert not set(message) & {"\x1b", "\0", "‮", "\ud800"}


@pytest.mark.parametrize("width", [1, 60, 100])
def test_lines_fit_and_hold_every_name(width: int) -> None:
    lines = list_lines(terms(), width)
    assert {line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")} >= set(NAMES)
    if width >= 60:
        assert max(map(len, lines)) <= width
        told = [line for term in terms() for line in term_lines(term, width)]
        # an address and a formula stay whole
        assert all(len(line) <= width or "https://" in line or " " not in line.strip() for line in told)
