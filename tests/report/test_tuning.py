"""The report of a search: JSON by its schema, and what a human reads."""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from debias.report.as_json import schema, to_json
from debias.report.markdown import to_markdown
from debias.report.terminal import print_report, verdict_line
from debias.report.values.training import TrainingReport
from debias.report.values.tuning import Tuning


def trial(number: int, accuracy: float, dispersion: float, **changes: Any) -> dict[str, Any]:
    return {
        "number": number,
        "state": "complete",
        "parameters": {
            "lr": 0.00123456,
            "class_weights": True,
            "layers": 2,
            "units_1": 17,
            "units_2": 9,
            "units_3": 44,
        },
        "epochs": 27,
        "best_epoch": 8,
        "objective": accuracy - dispersion / 2,
        "balanced_accuracy": accuracy,
        "auroc": 0.8,
        "dispersion": dispersion,
        "seconds": 1.5,
        **changes,
    }


def training(**changes: Any) -> TrainingReport:
    rows = {"data": 900, "seen": 850, "unseen": 50, "train": 700, "valid": 150, "valid_from": "share"}
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "statement": "A MEDL-NNet.",
        "kind": "medl",
        "title": "MEDL-NNet",
        "task": "classification",
        "label": "income",
        "attributes": [],
        "rows": rows,
        "inputs": 12,
        "settings": {"lr": 0.001},
        "seed": 0,
        "epochs": 27,
        "best_epoch": 8,
        "stopped": "epochs",
        "figures": [],
        "data": {},
        "notes": ["something was assumed"],
        "seconds": 3.0,
        "command": "debias train medl --data rows.csv",
    }
    return TrainingReport.model_validate({**values, **changes})


def tuning(**changes: Any) -> Tuning:
    """Return a search that trial 1 won; `changes` replace keys."""
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "statement": "MEDL-NNet: of 4 trials, trial 1 has the highest J.",
        "kind": "medl",
        "title": "MEDL-NNet",
        "task": "classification",
        "label": "income",
        "attributes": ["sex"],
        "cluster": "occupation",
        "train": 700,
        "valid": 1150,
        "search": "optuna",
        "measure": "J is the balanced accuracy.",
        "ranges": {"lr": "0.0003 to 0.005, log", "class_weights": "on, off", "layers": "1 to 3", "units_1": "8 to 128",
                   "units_2": "8 to 128", "units_3": "8 to 128"},
        "fixed": {"kl": 2.0},
        "least_epochs": 3,
        "most_epochs": 27,
        "seed": 0,
        "asked": 4,
        "trials": [
            trial(0, 0.71, 0.30),
            trial(1, 0.80, 0.20, chosen=True, front=True),
            trial(2, 0.75, 0.02, state="pruned", epochs=3, best_epoch=3, front=True),
            {"number": 3, "state": "failed", "parameters": {}, "reasons": ["its process was killed by SIGKILL"]},
        ],
        "resumed": 2,
        "settings": {"lr": 0.00123456},
        "training": training(),
        "storage": "model.pt.tune",
        "notes": ["Warm-up of 1 epoch."],
        "seconds": 12.5,
        "command": "debias tune medl --data rows.csv",
    }  # fmt: skip
    return Tuning.model_validate({**values, **changes})


def printed(value: Tuning, width: int = 90) -> str:
    stream = io.StringIO()
    print_report(value, Console(file=stream, width=width, highlight=False, color_system=None))
    return " ".join(stream.getvalue().split())


def test_json_is_valid() -> None:
    document = json.loads(to_json(tuning()))
    jsonschema.validate(document, schema("tuning.schema.json"))
    assert Tuning.model_validate(document) == tuning()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "trials": []}, schema("tuning.schema.json"))


def test_what_a_reader_is_told() -> None:
    value = tuning()
    assert verdict_line(value) == "TUNED  MEDL-NNet: of 4 trials, trial 1 has the highest J."
    assert (value.best.number, [each.number for each in value.front], value.exit_code) == (1, [2, 1], 0)
    text = printed(value)
    for told in (
        "Trial 1 of 4 has the highest J among those that came to their end: +0.7000.",
        "Judged on 1,150 validation rows alone, which chose it: its figures there are optimistic.",
        "lr 0.001235 0.0003 to 0.005, log",
        "class_weights on on, off",
        "units_2 9 8 to 128",
        "kl 2 fixed",
        "4 trials of 3 to 27 epochs: 2 complete, 1 ended early, 1 failed. 2 of them an earlier run had done.",
        "1 * +0.7000 0.8000 0.2000 27 8 complete",
        "2 +0.7400 0.7500 0.0200 3 3 ended early",
        "3 – – – 0 – failed",
        "higher balanced accuracy and a smaller dispersion",
        "trial 3: its process was killed by SIGKILL",
        "something was assumed",
        "To repeat debias tune medl --data rows.csv",
        "To train it again debias train medl --data rows.csv",
    ):
        assert told in text, told
    assert "units_3" not in text  # of a third layer that the network does not have


def test_a_regression_has_squared_errors() -> None:
    trials = [trial(0, 0.0, 12345.6, balanced_accuracy=None, mse=2.5, objective=-0.5, chosen=True, front=True)]
    text = printed(tuning(task="regression", trials=trials))
    assert "0 * −0.5000 2.5000 1.235e+04 27 8 complete" in text
    assert "smaller MSE and a smaller dispersion" in text


def test_long_lists_are_cut() -> None:
    trials = [trial(n, 0.5 + n / 100, n / 100, front=True, chosen=n == 30) for n in range(31)]
    text = printed(tuning(trials=trials))
    assert "The 12 with the highest J; the JSON report has all." in text
    assert "12 of 31 points; the JSON report has all." in text


def test_a_training_that_diverged_is_told() -> None:
    value = tuning(training=training(stopped="diverged"))
    assert value.exit_code == 1
    assert verdict_line(value).startswith("DIVERGED")


def test_markdown_has_the_same_rows() -> None:
    text = to_markdown(tuning())
    assert text.startswith("### debias tune medl: tuned\n")
    assert "| 2 | +0.7400 | 0.7500 | 0.0200 | 3 | 3 | ended early |" in text
    assert "```sh\ndebias tune medl" in text
