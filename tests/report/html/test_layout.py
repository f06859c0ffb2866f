from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from debias.report.charts import Chart
from debias.report.content.document import Document, Section
from debias.report.html.layout import CHAPTERS, Chapter, chapters

KEYS = [key for _, _, keys in CHAPTERS for key in keys]


def chart(name: str, key: str) -> Chart:
    return Chart(name, key, f"chart {name}", "", "", "<svg/>", 380, 100)


def document(*sections: tuple[str, str]) -> Document:
    return Document("t", "PASS", "s", sections=tuple(Section(title, key=key) for title, key in sections))


def told(found: tuple[Chapter, ...]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    return [
        (one.title, [(block.section.title, [item.id for item in block.charts]) for block in one.blocks])
        for one in found
    ]


def test_a_readers_questions_in_order() -> None:
    sections = ("files", "limits", "bias", "change", "crossings", "trajectory", "rows", "front", "sweep", "impact")
    found = chapters(document(*((key, key) for key in sections)), ())
    assert [one.title for one in found] == [
        "Figures, group by group",
        "How it got there",
        "Methods compared",
        "What was changed",
        "Other thresholds",
        "Groups crossed",
        "Impact ratios",
        "Data",
        "Provenance",
        "Limits",
    ]


def test_sections_without_a_key_stay_behind_the_one_before() -> None:
    found = chapters(document(("a", ""), ("limits", "limits"), ("b", "unheard of"), ("bias", "bias"), ("c", "")), ())
    assert told(found) == [
        ("a", [("a", [])]),
        ("Figures, group by group", [("bias", []), ("c", [])]),
        ("Limits", [("limits", []), ("b", [])]),
    ]


def test_charts_stand_in_the_first_section_of_their_key() -> None:
    sections = document(("Clusters", "clusters"), ("Each", "clusters"), ("Bias", "bias"))
    found = chapters(sections, (chart("1", "clusters"), chart("2", "clusters"), chart("3", "bias")))
    assert told(found)[0] == ("Figures, group by group", [("Bias", ["3"])])
    assert told(found)[1] == ("Clusters", [("Clusters", ["1", "2"]), ("Each", [])])


def test_attributes_keep_their_own_charts() -> None:
    sections = document(("Groups of sex", "groups"), ("Groups of age", "groups"))
    four = tuple(chart(str(number), "groups") for number in range(4))
    assert told(chapters(sections, four))[0][1] == [("Groups of sex", ["0", "1"]), ("Groups of age", ["2", "3"])]
    # Whose chart is missing cannot be told.
    assert told(chapters(sections, four[:3]))[0][1] == [("Groups of sex", ["0", "1", "2"]), ("Groups of age", [])]


def test_a_chart_stands_with_the_section_of_the_same() -> None:
    sections = document(("Impact of age", "impact"), ("Impact of sex of age", "impact"), ("Impact of sex", "impact"))

    def titled(title: str) -> Chart:
        return Chart(title, "impact", title, "", "", "<svg/>", 380, 100)

    drawn = tuple(map(titled, ("Ratio by group of sex", "Ratio by group of sex of age", "Ratio", "Ratio of age")))
    assert told(chapters(sections, drawn))[0][1] == [
        ("Impact of age", ["Ratio", "Ratio of age"]),
        ("Impact of sex of age", ["Ratio by group of sex of age"]),
        ("Impact of sex", ["Ratio by group of sex"]),
    ]


def test_a_chart_without_a_section_has_its_own() -> None:
    found = chapters(document(("Limits", "limits")), (chart("1", "sweep"), chart("2", "new")))
    assert told(found) == [
        ("chart 2", [("chart 2", ["2"])]),
        ("Other thresholds", [("chart 1", ["1"])]),
        ("Limits", [("Limits", [])]),
    ]


@given(st.lists(st.sampled_from([*KEYS, "", "other"])), st.lists(st.sampled_from([*KEYS, "", "other"]), max_size=8))
def test_nothing_is_lost_or_said_twice(sections: list[str], charts: list[str]) -> None:
    named = [(f"section {number}", key) for number, key in enumerate(sections)]
    drawn = tuple(chart(str(number), key) for number, key in enumerate(charts))
    found = chapters(document(*named), drawn)
    titles = [block.section.title for one in found for block in one.blocks]
    assert sorted(title for title in titles if not title.startswith("chart")) == sorted(name for name, _ in named)
    assert sorted(item.id for one in found for block in one.blocks for item in block.charts) == sorted(
        item.id for item in drawn
    )
    ids = [name for one in found for name in (one.id, *(block.id for block in one.blocks))]
    assert all(ids.count(name) == 1 or name.startswith("section-") for name in ids)
    order = [one.id for one in found if not one.id.startswith("section-")]
    assert order == [name for name, _, _ in CHAPTERS if name in order]
