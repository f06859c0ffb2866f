"""Model cards, read back by the Hub's own parser and by two readers of YAML."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard
from ruamel.yaml import YAML

from debias.errors import UsageError
from debias.report.card import to_card
from debias.report.card_metadata import to_yaml
from tests.report import examples
from tests.report.test_comparison import comparison
from tests.report.test_training import training

WARN = "ignore::DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(WARN)


def front(card: str) -> dict[str, Any]:
    """Return the metadata as two readers of YAML agree on."""
    text = card.split("---\n")[1]
    found: dict[str, Any] = yaml.safe_load(text)
    assert YAML(typ="safe", pure=True).load(io.StringIO(text)) == found
    return found


def results(card: str) -> dict[str, EvalResult]:
    found = ModelCard(card).data.eval_results
    assert found is not None
    return {one.metric_type: one for one in found}


def test_the_hub_reads_the_figures() -> None:
    report = examples.report()
    card = to_card(report, "apache-2.0")
    data = ModelCard(card).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "pytorch", "tabular-classification")
    assert data.model_name == "lender.prune.pt"
    assert set(data.tags or []) >= {"fairness", "debias", "debias-prune", "statistical-parity", "torchscript"}
    found, after = results(card), report.after
    assert after is not None
    told = {
        "balanced_accuracy": after.balanced_accuracy, "accuracy": after.accuracy, "f1": after.f1,
        "roc_auc": after.auroc, "brier_score": after.brier, "statistical-parity": after.parities[0].bias,
    }  # fmt: skip
    assert {name: one.metric_value for name, one in found.items()} == told
    assert data.metrics == list(told)
    bias = found["statistical-parity"]
    assert bias.metric_args == {"attribute": "sex", "groups": ["Female", "Male"], "bound": 0.05}
    assert (bias.dataset_name, bias.dataset_type) == ("lender_valid.csv", "lender_valid")
    assert (bias.dataset_split, bias.dataset_revision) == ("holdout", examples.SHA)
    assert bias.dataset_args == {"rows": 1000}
    again = ModelCard(str(ModelCard(card))).data.eval_results
    assert again == data.eval_results


def test_an_audit_is_of_the_file_audited_and_a_licence_only_where_told() -> None:
    report = examples.audit()
    card = to_card(report)
    assert "license" not in front(card)
    assert ModelCard(card).data.model_name == "lender.pt"
    assert results(card)["balanced_accuracy"].metric_value == report.before.balanced_accuracy
    assert "It was measured as it stands; nothing was changed." in card and "debias verify" not in card


def test_a_comparison_is_of_its_winner() -> None:
    found = comparison()
    assert to_card(found) == to_card(found.report)


def test_what_a_reader_has_to_know_is_there() -> None:
    card = to_card(examples.report(uses_attribute=True))
    headings = re.findall(r"^#+ .*", card, re.MULTILINE)
    assert headings[0] == "# lender.prune.pt"
    assert [text for text in headings if text.startswith("## ")] == [
        "## Intended use", "## The file", "## Evaluation", "## What was changed", "## Data", "## Limits", "## Notes",
        "## Provenance",
    ]  # fmt: skip
    assert "Left to the owner of the model" in card
    assert "prediction: **yes**" in card and "prediction: **no**" in to_card(examples.report())
    assert "model = torch.jit.load('lender.prune.pt')" in card
    for sha in (examples.SHA, examples.SHA[::-1]):
        assert sha in card
    assert "| Female | after | 400 | 60 | 0.1500 |" in card
    # no folder of the user
    for report in (examples.report(), examples.report(statement="on models/lender.pt and data/lender_valid.csv")):
        assert "models/" not in to_card(report) and "data/" not in to_card(report)


def test_there_is_no_card_without_a_file() -> None:
    with pytest.raises(UsageError, match="wrote no model"):
        to_card(examples.report(output=None))
    with pytest.raises(UsageError, match="no run that a model card"):
        to_card(training())


NAMES = [
    examples.HOSTILE,
    "---\n---\nlicense: mit\n",
    "\u2028\x85\x00\x1b[31m\udcff\ufeff\uffff",
    "a" * 100_000,
    "'\"`{{x}}: - [a](http://b) # &anchor *alias !!python/object:os.system |",
    "😀 naïve Straße 女性 \u202eabc",
    "~",
    "1e5",
    "yes",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_hostile_names(name: str) -> None:
    groups = [examples.group(name, 60), examples.group("Male", 180, n=600, privileged=True)]
    figures = examples.figures(-0.03, parities=[examples.parity(-0.03, attribute=name, groups=groups, sentence=name)])
    sha = {"format": "torchscript", "size": 1, "sha256": examples.SHA}
    report = examples.report(
        attributes=[{"name": name, "groups": [name, "Male"], "privileged": "Male"}],
        before=figures,
        after=figures,
        threshold_only=None,
        best_threshold=None,
        selection=None,
        output={"path": f"models/{name}", **sha},
        data={"data": {"path": f"data/{name}", "rows": 3, "sha256": None}},
        positive_label=name,
        statement=name,
        notes=[name],
    )
    card = to_card(report, "mit")
    card.encode()
    assert not any(char in card for char in "\x1b\x00\u202e\udcff\x85\u2028\ufeff")
    told = front(card)
    assert list(told) == ["license", "library_name", "pipeline_tag", "tags", "metrics", "model-index"]
    assert told["license"] == "mit"
    bias = results(card)["statistical-parity"]
    assert bias.metric_value == -0.03 and bias.metric_args is not None
    shown = bias.metric_args["groups"][0]
    assert isinstance(shown, str) and len(shown) <= 200
    if name.isprintable() and len(name) <= 200:
        assert shown == bias.metric_args["attribute"] == name
    body, *rest = re.split(r"^```.*?^```$", card.split("\n---\n", 1)[1], flags=re.DOTALL | re.MULTILINE)
    assert len(rest) == 1  # the code that loads the file is closed where it should be
    body += rest[0]
    assert "<b>" not in body and not re.search(r"(?<!\\)\]\(", body)
    assert len(re.findall("^# ", body, re.MULTILINE)) == 1


def test_numbers_and_empty_things_in_yaml() -> None:
    value = {
        "a": [1, 1.5, -2e-9, 1e22, True, None, "1.0", "null", ""], "b": {}, "c": [], "d": {"e": [{"f": [1], "g": "x"}]},
        "odd key": 1,
    }  # fmt: skip
    assert yaml.safe_load(to_yaml(value)) == value
    assert YAML(typ="safe", pure=True).load(to_yaml(value)) == value
