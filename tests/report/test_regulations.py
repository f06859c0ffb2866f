"""Every data file of a rule, and what a report shows of it."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from debias.fairness.impact import FOUR_FIFTHS, SMALL_SHARE
from debias.report import regulations
from debias.report.as_json import schema, to_json
from debias.report.content import regulation_facts
from debias.report.content.document import Section
from debias.report.content.every import document_of
from debias.report.content.regulation import CELLS, HIDDEN
from debias.report.content.report import report_document
from debias.report.markdown import to_markdown
from debias.report.values.impact import GroupImpact, Impact
from debias.report.values.report import Report
from tests.report.examples import HOSTILE, audit, report

FOLDER = Path(regulations.__file__).parent
FILES = sorted(FOLDER.glob("*.toml"))
NAMES = [path.stem for path in FILES]
PROMISES = re.compile(
    r"\b(compl(y|ies|iant|iance)|fair (model|network)|is fair|lawful|legally|guarantees?|satisf(y|ies)|passes)\b", re.I
)


def group(name: str, n: int, selected: int, **changes: Any) -> dict[str, Any]:
    beside = {"ratio": 0.5, "below_four_fifths": True, "fisher_p": 0.001, "z": -3.2, "z_p": 0.0014}
    return {
        "groups": [name],
        "n": n,
        "share": n / 1000,
        "small": n < 20,
        "selected": selected,
        "rate": selected / n,
        "highest": beside,
        **changes,
    }


def table(*groups: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"rate": "selection", "highest": ["Male"], "groups": list(groups), **changes}


def item(*tables: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"attributes": ["sex"], "n": 1000, "small_share": SMALL_SHARE, "before": list(tables), **changes}


def plain(**changes: Any) -> dict[str, Any]:
    """Return the impact of sex, of an audit; `changes` replace keys."""
    selection = table(group("Female", 400, 60), group("Male", 600, 180))
    smd = {"ratio": 0.6, "below_four_fifths": True, "fisher_p": 0.01, "z": -2.0, "z_p": 0.04, "smd": -0.52}
    scored = group("Female", 400, 60, mean_score=0.31, highest=smd), group("Male", 600, 180, mean_score=0.48)
    return item(selection, table(*scored, rate="scoring", median=0.41), **changes)


def viewed(*names: str, **changes: Any) -> Report:
    chosen = [{"id": name, "as_of": regulations.view(name).as_of.isoformat()} for name in names]
    return audit(**{"impacts": [plain()], "views": chosen, **changes})


def sections(value: Report) -> list[Section]:
    return [one for one in report_document(value).sections if one.key == "impact"]


def texts(value: Report) -> str:
    told = []
    for one in sections(value):
        told += [one.title, *one.sentences, *one.items]
        told += [cell for row in (one.table.rows if one.table else ()) for cell in row]
    return "\n".join(told)


def cells(value: Report, title: str) -> dict[str, dict[str, str]]:
    """Return the table under a title: category, then column, to cell."""
    (one,) = [one for one in sections(value) if one.title.startswith(title)]
    assert one.table is not None
    return {row[0]: dict(zip(one.table.columns, row, strict=True)) for row in one.table.rows}


def test_every_file_is_a_view() -> None:
    assert regulations.ids() == tuple(NAMES)
    assert {"nyc-ll144", "us-four-fifths", "us-credit", "eu-ai-act", "sr-26-2", "colorado-10-1-1", "iso-12791"} <= {
        *NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_dated_and_sourced(name: str) -> None:
    found = regulations.view(name)
    assert found.id == name
    assert date(2026, 1, 1) <= found.as_of <= date(2100, 1, 1)
    assert all(urlsplit(source.url).netloc for source in found.sources)
    assert len({source.url for source in found.sources}) == len(found.sources)
    assert all(event.day <= date(2035, 1, 1) for event in found.events)
    assert all(ask.where for ask in found.asks)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_names_only_what_its_model_knows(name: str) -> None:
    raw = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    assert set(raw) <= set(regulations.View.model_fields)
    assert set(raw.get("rates", {})) <= set(regulations.Rates.model_fields)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_promises_nothing(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    assert not PROMISES.search(re.sub(r'url = "[^"]*"|title = "[^"]*"', "", text))


def test_every_fact_and_every_column_has_a_text() -> None:
    assert set(regulation_facts.FACTS) == set(get_args(regulations.Fact))
    assert set(CELLS) == set(get_args(regulations.Column))


def test_constants_are_those_that_the_rules_name() -> None:
    assert (FOUR_FIFTHS, SMALL_SHARE) == (0.8, 0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": []}, "at least 1"),
        ({"sources": [{"title": "One", "url": "http://plain.example"}]}, "https"),
        ({"sources": [{"title": "One", "url": "https://a.example", "dated": "2031-01-01"}]}, "after as_of"),
        ({"id": "Two Words"}, "pattern"),
        ({"rates": None, "asks": []}, "nothing to show"),
        ({"events": [{"day": "2026-02-01", "what": "b b"}, {"day": "2026-01-01", "what": "a a"}]}, "order"),
        ({"state": "two\nlines"}, "pattern"),
        ({"threshold": 0.8}, "Extra"),
        ({"asks": [{"what": "abc", "where": "abc", "facts": ["weather"]}]}, "weather|Input should be"),
    ],
)
def test_a_file_that_is_wrong_is_refused(change: dict[str, Any], message: str) -> None:
    raw = tomllib.loads((FOLDER / "nyc-ll144.toml").read_text(encoding="utf-8"))
    with pytest.raises(ValidationError, match=message):
        regulations.View.model_validate({**raw, **change})


def test_the_page_tells_every_view() -> None:
    page = (FOLDER.parents[2] / "docs" / "regulation.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE)
    assert sorted(listed) == NAMES
    assert not PROMISES.search(page)


def test_an_unknown_name_gets_the_nearest_and_all_names() -> None:
    problem = regulations.unknown_view("nyc-ll14")
    assert problem is not None
    assert "Did you mean nyc-ll144?" in problem.remedy
    assert all(name in problem.remedy for name in NAMES)
    assert regulations.unknown_view("nyc-ll144") is None
    with pytest.raises(KeyError):
        regulations.view("../nyc-ll144")


def test_no_rule_is_named_unless_it_was_asked_for() -> None:
    text = texts(audit(impacts=[plain()]))
    assert "Impact ratios of sex" in text
    assert not any(regulations.view(name).title in text or name in text for name in NAMES)
    assert "144" not in text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [audit, report], ids=["audit", "repair"])
def test_a_view_tells_state_sources_and_no_finding(name: str, value: Any) -> None:
    before = plain()
    impacts = [before if value is audit else {**before, "after": before["before"]}]
    found = value(impacts=impacts, views=[{"id": name, "as_of": regulations.view(name).as_of.isoformat()}])
    text, told = texts(found), regulations.view(name)
    assert told.state in text
    assert str(told.as_of) in text
    assert all(source.url in text for source in told.sources)
    assert "whether the rule applies, or is met, it does not say" in text
    assert re.search(r"uses the protected attribute at prediction: no\.", text)
    assert not PROMISES.search(re.sub(r"https://\S+", "", text).replace(told.title, ""))


def test_the_attribute_at_prediction_is_told() -> None:
    assert "uses the protected attribute at prediction: yes." in texts(viewed("us-credit", uses_attribute=True))


def test_a_report_of_another_state_of_the_rule_says_so() -> None:
    value = audit(impacts=[plain()], views=[{"id": "nyc-ll144", "as_of": "2025-01-01"}])
    assert "when the data file told the state of 2025-01-01" in texts(value)


def test_a_view_of_a_newer_version_is_told_to_be_unknown() -> None:
    value = audit(views=[{"id": "mars-1", "as_of": "2031-01-01"}])
    assert "has no view mars-1" in texts(value)


def test_views_survive_json() -> None:
    value = viewed("nyc-ll144", "eu-ai-act")
    again = Report.model_validate_json(to_json(value))
    assert texts(again) == texts(value)
    assert "ChosenView" in json.dumps(schema("report.schema.json"))


def test_nyc_small_categories_get_no_ratio_and_keep_their_rate() -> None:
    beside = {"ratio": 0.6, "below_four_fifths": True, "fisher_p": 0.01, "z": -2.0, "z_p": 0.04}
    few = group("X", 10, 9)
    value = viewed(
        "nyc-ll144",
        impacts=[
            item(
                table(
                    group("Female", 390, 60, large=beside),
                    group("Male", 600, 180, large={**beside, "ratio": 1.0}),
                    few,
                    highest=["X"],
                    large=["Male"],
                )
            )
        ],
    )
    found = cells(value, "Selection rates of sex (nyc-ll144)")
    assert found["X"]["ratio"] == "–"
    assert (found["X"]["rate"], found["X"]["n"], found["X"]["share"]) == ("0.9000", "10", "1.0% °")
    assert found["Female"]["ratio"] == "0.6000"
    assert "at least 2% of the rows, that of Male" in texts(value)


def test_unknown_rows_are_told() -> None:
    value = viewed("nyc-ll144", impacts=[plain(unknown=7, left_out=12)])
    text = texts(value)
    assert "7 verdict rows have no sex" in text
    assert "12 rows without sex were left out" in text
    assert "sex: 7 of the verdict rows, 12 left out of the table." in text


def test_credit_takes_the_privileged_group() -> None:
    beside = {"ratio": 0.42, "below_four_fifths": True, "fisher_p": 0.00001, "z": -5.0, "z_p": 1e-6, "smd": -0.61}
    groups = group("Female", 400, 60, privileged=beside), group("Male", 600, 180, privileged={**beside, "ratio": 1.0})
    tables = (
        table(*groups, privileged=["Male"]),
        table(*groups, rate="scoring", median=0.4, privileged=["Male"]),
    )
    value = viewed("us-credit", impacts=[item(*tables)])
    found = cells(value, "Selection rates")["Female"]
    assert (found["AIR"], found["Fisher p"]) == ("0.4200", "<0.0001")
    assert cells(value, "Scoring rates")["Female"]["SMD"] == "−0.6100"


def sized(*sizes: int) -> Report:
    groups = [group(f"g{place}", n, n // 2) for place, n in enumerate(sizes)]
    return viewed("eu-ai-act", impacts=[item(table(*groups))])


@pytest.mark.parametrize(
    ("sizes", "hidden"),
    [
        ((400, 300, 300), set()),
        ((400, 300, 9), {"g1", "g2"}),  # one alone could be worked out from the total
        ((400, 300, 9, 3), {"g2", "g3"}),
        ((400, 300, 10), set()),
    ],
)
def test_few_rows_are_hidden(sizes: tuple[int, ...], hidden: set[str]) -> None:
    found = cells(sized(*sizes), "Selection rates of sex (eu-ai-act)")
    assert {name for name, row in found.items() if row["n"] == HIDDEN} == hidden
    for name in hidden:
        assert set(found[name].values()) == {name, "as deployed", HIDDEN}


def test_crossed_categories_are_shown_where_the_rule_speaks_of_them() -> None:
    crossed = item(table({**group("a", 400, 60), "groups": ["Female", "a"]}, highest=None), attributes=["sex", "race"])
    titles = [one.title for one in sections(viewed("nyc-ll144", "us-four-fifths", impacts=[plain(), crossed]))]
    assert "Selection rates of sex × race (nyc-ll144)" in titles
    assert "Selection rates of sex (us-four-fifths)" in titles
    assert "Selection rates of sex × race (us-four-fifths)" not in titles


def test_hostile_names_stay_text() -> None:
    long = "x" * 100_000
    impacts = [
        plain(attributes=[HOSTILE], unknown=3),
        item(table(group(HOSTILE, 400, 60), group(long, 600, 180), highest=[HOSTILE]), attributes=[long]),
    ]
    value = viewed("nyc-ll144", "eu-ai-act", impacts=impacts)
    text = to_markdown(value)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<b>" not in text
    assert long not in text
    assert len(text) < 60_000


def test_default_sections_leave_nothing_out() -> None:
    value = audit(impacts=[plain()])
    found = cells(value, "Impact ratios of sex")["Female"]
    assert found["n"] == "400"
    assert found["rate"] == "0.1500"
    assert found["below 0.8"] == "yes"
    assert found["p"] == "0.0010"
    assert found["SMD"] == "−0.5200"
    assert all(one.extra for one in sections(value))
    assert not any(one.extra for one in sections(viewed("nyc-ll144")) if not one.title.startswith("Impact ratios"))


def test_many_categories_are_counted() -> None:
    groups = [group(f"g{place}", 100, 50) for place in range(75)]
    value = audit(impacts=[item(table(*groups))])
    assert len(cells(value, "Impact ratios")) == 60
    assert "15 more categories stand in the JSON report." in texts(value)


def test_rates_of_zero_have_no_reference() -> None:
    groups = [group("Female", 400, 0, highest=None), group("Male", 600, 0, highest=None)]
    value = viewed("us-four-fifths", impacts=[item(table(*groups, highest=None))])
    assert "none: every rate is 0" in texts(value)
    assert cells(value, "Selection rates")["Male"]["ratio"] == "–"


def test_reports_without_impacts_still_show_the_rule() -> None:
    assert "In force" in texts(viewed("nyc-ll144", impacts=[]))
    assert document_of(viewed("sr-26-2", impacts=[])).sections


def test_models_refuse_other_fields() -> None:
    with pytest.raises(ValidationError):
        GroupImpact.model_validate({**group("a", 4, 2), "colour": "red"})
    with pytest.raises(ValidationError):
        Impact.model_validate(item(verdict="fine"))
