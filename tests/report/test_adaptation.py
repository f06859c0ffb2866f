"""The report of added clusters: what a human reads."""

from __future__ import annotations

from typing import Any

from debias.report.content.adaptation import MOST_CLUSTERS
from debias.report.markdown import to_markdown
from debias.report.terminal import verdict_line
from debias.report.values.adaptation import Adaptation


def adaptation(clusters: int = 2, **changes: Any) -> Adaptation:
    """Return an adaptation; `changes` replace keys."""
    file = {"path": "m.pt", "format": "torchscript", "size": 2048, "sha256": "0" * 64}
    figures = [
        {"prediction": name, "threshold": 0.5, "balanced_accuracy": 0.7, "auroc": 0.75,
         "biases": [{"attribute": "sex", "bias": -0.125}]}
        for name in ("fixed", "estimate")
    ]  # fmt: skip
    added = {
        "rows": 60, "used": 50, "held": 10, "positives": 21, "figures": figures,
        "intercept": {"name": "intercept", "mean": -0.5, "sd": 0.1},
        "slopes": [{"name": f"c{k}", "mean": k / 10, "sd": 0.05} for k in range(5)],
    }  # fmt: skip
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "statement": "2 clusters added",
        "task": "classification",
        "label": "label",
        "cluster": "branch",
        "known": ["n", "s"],
        "clusters": [{"name": f"k{k}", **added} for k in range(clusters)],
        "figures": figures,
        "held": 10 * clusters,
        "most": 50,
        "slopes": "input",
        "prior_sd": 0.1,
        "metric": "statistical-parity",
        "attributes": [{"name": "sex", "groups": ["f", "m"], "privileged": "m"}],
        "seed": 0,
        "model": file,
        "output": file,
        "data": {"data": {"path": "rows.csv", "rows": 100, "sha256": None}},
        "trusted": False,
        "seconds": 1.0,
    }
    return Adaptation.model_validate({**values, **changes})


def test_what_the_estimates_bring_stands_first() -> None:
    text = to_markdown(adaptation())
    assert verdict_line(adaptation()) == "ADAPTED  2 clusters added"
    assert text.index("What the estimates bring") < text.index("Clusters added")
    assert "no predictor of the cluster" in text
    assert "−0.1250" in text
    assert "−0.500 ± 0.100" in text
    assert "c4 +0.400 ± 0.050, c3" in text and "c1" not in text
    assert "2 known before" in text


def test_no_rows_left_over() -> None:
    text = to_markdown(adaptation(held=0, figures=[]))
    assert "No cluster has more than 50 rows" in text


def test_of_many_clusters_the_first_are_shown() -> None:
    text = to_markdown(adaptation(MOST_CLUSTERS + 3))
    assert f"{MOST_CLUSTERS} of {MOST_CLUSTERS + 3} clusters are shown" in text
    assert f"k{MOST_CLUSTERS - 1} " in text and f"k{MOST_CLUSTERS} " not in text


def test_a_regression_has_errors_in_place_of_accuracy() -> None:
    figures = [{"prediction": "estimate", "mse": 12.3456, "biases": [{"attribute": "sex", "bias": None}]}]
    text = to_markdown(adaptation(task="regression", figures=figures))
    assert "12.35" in text and "bal.acc" not in text and "standardised target" in text
