"""What reports say of the dispersion over groups and of clusters."""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
import pytest
from rich.cells import cell_len
from rich.console import Console

from debias.report.as_json import schema, to_json
from debias.report.markdown import to_markdown
from debias.report.terminal import print_report
from debias.report.values.report import Report
from tests.report import examples

INTERVAL = {"low": 0.1, "high": 0.3, "confidence": 0.95, "method": "wilson"}


def dispersion(**changes: Any) -> dict[str, Any]:
    return {
        "attribute": "sex",
        "groups": 2,
        "tpr_sd": 0.0801,
        "fpr_sd": 0.0717,
        "mse_sd": None,
        "demographic_parity": 0.3207,
        "demographic_parity_soft": 0.2553,
        "attribute_swap": 0.105,
        **changes,
    }


def figures(**changes: Any) -> dict[str, Any]:
    return examples.figures(-0.15, dispersion=[dispersion(**changes)])


def cluster(name: str, known: bool = True) -> dict[str, Any]:
    return {
        "name": name,
        "known": known,
        "n": 1234,
        "positives": 300,
        "selected": 250,
        "selection_rate": 0.2026,
        "selection_interval": INTERVAL,
        "balanced_accuracy": 0.79,
        "accuracy_interval": None,
        "biases": [{"attribute": "sex", "bias": -0.2, "interval": {**INTERVAL, "low": -0.31, "high": -0.11}}],
    }


def effects(clusters: int = 2, **changes: Any) -> dict[str, Any]:
    names = [f"site {number}" for number in range(clusters - 1)]
    gap = {"attribute": "sex", "mixed": -0.15, "fixed": -0.05, "gap": -0.1}
    return {
        "cluster": "site",
        "known": names,
        "unknown": ["elsewhere"],
        "unseen_z": "soft",
        "seen": 900,
        "unseen": 100,
        "heads": [
            {"head": "mixed", "threshold": 0.5, "seen": figures(), "unseen": None},
            {"head": "fixed", "threshold": 0.4, "seen": figures(), "unseen": figures()},
        ],
        "gaps": [{**gap, "rows": "all"}],
        "clusters": [*(cluster(name) for name in names), cluster("elsewhere", known=False)],
        "draws": {
            "draws": 50,
            "share": 0.95,
            "flipped": 0.1208,
            "flipped_per_draw": 0.0227,
            "prediction_sd": 0.0238,
            "figures": [
                {"figure": "bias", "attribute": "sex", "rows": rows, "value": -0.15, "low": -0.17, "high": -0.12}
                for rows in ("all", "seen")
            ],
        },
        **changes,
    }


def printed(value: Report, width: int = 110, full: bool = False) -> str:
    stream = io.StringIO()
    print_report(value, Console(file=stream, width=width, highlight=False, color_system=None), full=full)
    return stream.getvalue()


def test_dispersion_only_where_it_is_asked_but_always_in_files() -> None:
    value = examples.audit(before=figures())
    assert "Dispersion" not in printed(value)
    told = " ".join(printed(value, full=True).split())
    assert "sex 0.0801 0.0717 0.3207 0.2553 0.1050" in told
    assert "Fair MEDL eq. 6" in told
    assert "| sex | 0.0801 | 0.0717 | 0.3207 | 0.2553 | 0.1050 |" in to_markdown(value)
    (entry,) = json.loads(to_json(value))["before"]["dispersion"]
    assert entry["attribute_swap"] == 0.105


def test_what_is_undefined_is_told_with_its_reason() -> None:
    before = figures(
        tpr_sd=None, attribute_swap=None, attribute_swap_reason="no input", undefined_groups={"tpr_sd": ["Female"]}
    )
    text = " ".join(printed(examples.audit(before=before), full=True).split())
    assert "sex – 0.0717" in text
    assert "sex: swap is undefined: no input" in text
    assert "sex: TPR SD without Female, where no row bears on it" in text


def test_the_attribute_is_named_once_where_no_input_tells_it() -> None:
    reason = "'sex': no input column of the network tells it"
    before = figures(attribute_swap=None, attribute_swap_reason=reason)
    text = " ".join(printed(examples.audit(before=before), full=True).split())
    assert "sex: swap is undefined: no input column of the network tells it" in text


def test_a_repair_tells_every_network_and_a_regression_its_own_figures() -> None:
    value = examples.report(before=figures(), threshold_only=figures(), after=figures(attribute_swap=0.02))
    text = " ".join(printed(value, full=True).split())
    assert "before 0.0801" in text
    assert "after 0.0801 0.0717 0.3207 0.2553 0.0200" in text
    numbers = figures(tpr_sd=None, fpr_sd=None, mse_sd=2.5, demographic_parity_soft=None)
    text = " ".join(printed(examples.audit(before=numbers), full=True).split())
    assert "attribute MSE SD DP swap" in text
    assert "sex 2.5 0.3207 0.105" in text
    assert "Fair MEDL eq. 7" in text


def test_clusters() -> None:
    value = examples.audit(before=figures(), effects=effects())
    text = " ".join(printed(value).split())
    for told in (
        "Dispersion over groups",
        "Column site: the network knows 1 cluster, of which 900 rows are.",
        "100 rows are of others (elsewhere), scored with the predicted probabilities of the known ones.",
        "mixed known clusters 1,000 0.8100 −0.1500",
        "others 1,000",
        "sex, all rows: bias −0.1500 with the random effects, −0.0500 without, gap −0.1000",
        "More than a quarter of a bias comes with the random effects: --edit fe+re",
        "site 0 1,234 300 0.2026 [0.10, 0.30] 0.7900 −0.2000 [−0.31, −0.11]",
        "elsewhere † 1,234",
        "drawn 50 times from their posterior; 95% of the draws",
        "12.08% of the rows are decided otherwise in at least one draw, 2.27% in one draw on average.",
        "bias sex all −0.1500 −0.1700 −0.1200",
    ):
        assert told in text, told
    assert "bias sex seen" not in text
    assert "bias sex seen" in " ".join(printed(value, full=True).split())
    assert "| bias | sex | seen |" in to_markdown(value)


def test_many_clusters_are_listed_where_asked() -> None:
    value = examples.audit(effects=effects(clusters=30))
    assert "site 7" not in printed(value)
    assert "site 7" in printed(value, full=True)
    assert "| site 7 |" in to_markdown(value)


def test_before_and_after() -> None:
    text = " ".join(printed(examples.report(effects=effects(), effects_before=effects())).split())
    assert "before mixed known clusters" in text
    assert "after fixed known clusters" in text
    assert "before: sex, all rows" in text


def test_fresh_adversary() -> None:
    told = {"attribute": "sex", "prediction": "mixed", "bits": 0.0356, "error": 0.0093, "entropy": 0.94, "rows": 1200}
    none = {"attribute": "race", "prediction": "mixed", "bits": None, "reason": "too few rows"}
    text = " ".join(printed(examples.audit(information=[told, none])).split())
    assert "sex +0.0356 0.0093 0.9400 1,200" in text
    assert "race: too few rows" in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_is_cut_at_any_width(width: int) -> None:
    text = printed(examples.audit(before=figures(), effects=effects(clusters=25)), width, full=True)
    assert all(cell_len(line) <= width for line in text.splitlines())
    for number in ("0.0801", "−0.31", "0.2026", "−0.1200"):
        assert number in text


def test_json_is_as_the_schema_says() -> None:
    value = examples.report(before=figures(), effects=effects(), effects_before=effects())
    jsonschema.validate(json.loads(to_json(value)), schema("report.schema.json"))
