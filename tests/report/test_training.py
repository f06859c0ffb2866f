"""The report of a training: JSON by its schema, and what a human reads."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from debias.report.as_json import schema, to_json
from debias.report.content.training import summed
from debias.report.markdown import to_markdown
from debias.report.terminal import print_report, verdict_line
from debias.report.values.training import TrainingReport


def epoch(number: int, **more: Any) -> dict[str, Any]:
    return {
        "epoch": number, "eligible": number > 2, "cluster_adversary": 1.5, "mixed_adversary.sex": 0.6,
        "mixed_adversary.age": 1.0, "loss": -0.3, "loss_mixed": 0.37, "loss_fixed": 0.38, "divergence": 291.63,
        "balanced_accuracy": 0.829, "dispersion": 0.11, "j": 0.77 + number / 1000, "events": [], **more,
    }  # fmt: skip


def training(**changes: Any) -> TrainingReport:
    """Return a training of 20 epochs; `changes` replace keys."""
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "statement": "Fair(ADB) MEDL-NNet trained on 765 rows of 4 clusters: balanced accuracy 0.8140, AUROC 0.9029 "
        "on 135 validation rows, mixed effects",
        "kind": "fair-adb-medl",
        "title": "Fair(ADB) MEDL-NNet",
        "task": "classification",
        "label": "label",
        "positive_label": "1",
        "attributes": [{"name": "sex", "groups": ["f", "m"], "privileged": "m"}],
        "cluster": "branch",
        "clusters": [{"name": "n", "train": 300, "valid": 50, "positives": 75}],
        "rows": {
            "data": 1000,
            "dropped": 3,
            "seen": 900,
            "unseen": 100,
            "train": 765,
            "valid": 135,
            "valid_from": "share",
        },
        "inputs": 7,
        "settings": {"hidden": [8, 6], "lr": 0.001},
        "seed": 4,
        "epochs": 20,
        "best_epoch": 17,
        "stopped": "epochs",
        "figures": [
            {"head": "mixed", "n": 135, "threshold": 0.44, "balanced_accuracy": 0.814, "auroc": 0.9029},
            {"head": "fixed", "n": 135, "threshold": 0.51, "balanced_accuracy": 0.8, "auroc": None},
        ],
        "history": [epoch(number) for number in range(1, 21)],
        "events": ["epoch 5: mixed adversary of sex did no better than chance"],
        "output": {"path": "m.pt", "format": "torchscript", "size": 90000, "sha256": "0" * 64},
        "data": {"data": {"path": "rows.csv", "rows": 1003, "sha256": "1" * 64}},
        "notes": ["rows.csv, column 'age' is cut."],
        "seconds": 8.25,
        "command": "debias train fair-adb-medl --data rows.csv",
    }
    return TrainingReport.model_validate({**values, **changes})


def printed(value: TrainingReport, width: int = 100) -> str:
    stream = io.StringIO()
    print_report(value, Console(file=stream, width=width, highlight=False, color_system=None))
    return stream.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        training(),
        training(stopped="diverged", history=[epoch(1, loss=float("nan"))], cluster=None, clusters=[], output=None),
        training(
            task="regression",
            positive_label=None,
            figures=[{"head": "network", "n": 5, "mse": 3.5, "mae": 1.25, "r2": -0.5}],
            clusters=[{"name": "n", "train": 300, "valid": 50, "mean": 12.5}],
        ),
    ],
)
def test_json_is_valid(value: TrainingReport) -> None:
    document = json.loads(to_json(value), parse_constant=pytest.fail)
    jsonschema.validate(document, schema("training.schema.json"))
    assert TrainingReport.model_validate(document) == value


def test_the_first_line_tells_what_was_trained() -> None:
    assert verdict_line(training()).startswith("TRAINED  Fair(ADB) MEDL-NNet trained on 765 rows of 4 clusters")
    assert training().exit_code == 0
    diverged = training(stopped="diverged")
    assert verdict_line(diverged).startswith("DIVERGED")
    assert diverged.exit_code == 1
    assert "Training diverged in epoch 20: the file holds epoch 17" in printed(diverged)


def test_epochs_are_thinned_and_adversaries_summed() -> None:
    text = printed(training(), width=200)
    numbers = [int(line.split()[0]) for line in text.splitlines() if re.match(r" *\d+ (\*| ) ", line)]
    assert numbers[0] == 1
    assert numbers[-1] == 20
    assert 17 in numbers
    assert len(numbers) <= 12
    assert "17 *" in text
    assert "1.6000" in text  # 0.6 of sex and 1.0 of age
    assert "291.6" in text
    assert f"{len(numbers)} of 20 epochs are shown" in text
    assert "did no better than chance" in text


def test_numbers_of_an_epoch() -> None:
    assert summed({"a.x": 1, "a.y": 0.5, "b": 2, "events": ["c"], "eligible": True}) == {"a": 1.5, "b": 2.0}


def test_a_resumed_run_says_so() -> None:
    assert "6 of them were done by an earlier, interrupted run" in printed(training(resumed_from=6), width=200)


def test_rows_and_clusters_are_told() -> None:
    text = printed(training())
    for part in ("100 rows, which took no part", "without an attribute, left out: 3", "0.2500", "hidden 8,6", "seed 4"):
        assert part in text
    many = [{"name": f"c{number}", "train": 1, "valid": 1, "positives": 0} for number in range(40)]
    assert "24 of 40; the JSON report has all" in printed(training(clusters=many))


def test_markdown_has_the_same_content() -> None:
    text = to_markdown(training())
    assert text.startswith("### debias train fair-adb-medl: trained")
    for part in (
        "| mixed effects | 0.8140 | 0.9029 | 0.4400 |",
        "| fixed effects | 0.8000 | – |",
        "```sh\ndebias train",
    ):
        assert part in text


def test_regression_is_told_in_units_of_the_target() -> None:
    value = training(task="regression", figures=[{"head": "network", "n": 5, "mse": 3.5, "mae": 1.25, "r2": -0.5}])
    text = printed(value)
    assert "−0.5000" in text
    assert "In units of the target" in text
    assert value.of("network").mse == 3.5
    with pytest.raises(KeyError):
        value.of("mixed")
