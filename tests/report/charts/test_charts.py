"""Charts of every report value: numbers as in the value, at their places, well-formed, the same each time."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from debias.report.charts import FULL, HALF, Chart, charts_of
from debias.report.charts.colours import DARK, LIGHT
from debias.report.content.every import document_of
from debias.report.values.comparison import Comparison
from debias.report.values.report import Report
from tests.report import examples
from tests.report.charts import values

EVERY = values.every()
SVG = "{http://www.w3.org/2000/svg}"
Element = ElementTree.Element
WITHOUT = {"inspection", "verification"}
"""Values of which nothing is drawn."""


def root(chart: Chart) -> Element:
    return ElementTree.fromstring(chart.svg)


def marks(chart: Chart) -> list[Element]:
    return [element for element in root(chart).iter() if element.get("class") == "mark"]


def numbers(value: object) -> Iterator[float]:
    """Yield every number that a value holds."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def named(charts: tuple[Chart, ...], id: str) -> Chart:
    return next(chart for chart in charts if chart.id == id)


def told(chart: Chart) -> dict[tuple[str, str], float]:
    """Return what the marks tell, by series and place."""
    return {(one.attrib["data-series"], one.attrib["data-x"]): float(one.attrib["data-y"]) for one in marks(chart)}


@pytest.mark.parametrize("name", EVERY)
def test_every_value_has_its_charts(name: str, drawn: dict[str, tuple[Chart, ...]]) -> None:
    charts = drawn[name]
    assert bool(charts) == (name not in WITHOUT)
    assert len({chart.id for chart in charts}) == len(charts)
    for chart in charts:
        svg = root(chart)
        assert svg.tag == f"{SVG}svg"
        assert svg.get("id") == chart.id
        assert svg.get("viewBox") == f"0 0 {chart.width} {chart.height}"
        assert (svg.get("width"), svg.get("height")) == (str(chart.width), str(chart.height))
        assert chart.width in (HALF, FULL) and chart.wide == (chart.width == FULL)
        assert chart.title and chart.alt and chart.key
        for tag, words in (("title", chart.title), ("desc", chart.alt)):
            (element,) = svg.findall(f"{SVG}{tag}")
            assert element.text == words
            assert element.get("id") in (svg.get("aria-labelledby") or "").split()


@pytest.mark.parametrize("name", EVERY)
def test_charts_are_of_sections_that_are_there(name: str, drawn: dict[str, tuple[Chart, ...]]) -> None:
    keys = {section.key for section in document_of(EVERY[name]).sections}
    if name in ("repair", "regression"):  # made by hand: some parts of the text are left out
        keys |= {"adversary", "trajectory", "impact", "dispersion"}
    assert {chart.key for chart in drawn[name]} <= keys


@pytest.mark.parametrize("name", EVERY)
def test_nothing_but_drawings(name: str, drawn: dict[str, tuple[Chart, ...]]) -> None:
    """No style (a page may forbid it), no script, no address, no colour of matplotlib's, no date."""
    ids: list[str] = []
    for chart in drawn[name]:
        for element in root(chart).iter():
            assert element.tag.removeprefix(SVG) in {
                *("svg", "title", "desc", "g", "path", "use", "text", "defs", "clipPath", "rect", "pattern"),
            }
            assert not {attribute for attribute in element.attrib if attribute.startswith("on") or attribute == "style"}
            for attribute, value in element.attrib.items():
                if attribute.startswith("data-"):
                    continue
                assert "#" not in value.replace("url(#", "").removeprefix("#"), (attribute, value)
                assert "http" not in value or attribute == "xmlns"
                for variable in re.findall(r"var\(--([^)]*)\)", value):
                    assert variable in LIGHT and variable in DARK
            if element.tag.removeprefix(SVG) in ("path", "use", "text") and element.tag != f"{SVG}text":
                assert "font-family" not in element.attrib
            if "id" in element.attrib:
                ids.append(element.attrib["id"])
                assert element.attrib["id"] == chart.id or element.attrib["id"].startswith(f"{chart.id}-")
        used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', chart.svg))
        assert used <= set(ids)
        own = re.sub(r'data-tip="[^"]*"|<(title|desc)[^<]*', "", chart.svg)
        assert not re.search(r"matplotlib|<!--|dc:date|DejaVu|\b[Nn]a[Nn]\b|\binf\b", own)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", ["repair", "comparison", "training", "probes"])
def test_the_same_value_gives_the_same_bytes(name: str, drawn: dict[str, tuple[Chart, ...]]) -> None:
    assert charts_of(EVERY[name]) == drawn[name]


@pytest.mark.parametrize("name", EVERY)
def test_marks_tell_numbers_of_the_value(name: str, drawn: dict[str, tuple[Chart, ...]]) -> None:
    """Digit for digit; |bias| of a front and numbers of units are the value's too."""
    known = set(numbers(EVERY[name].model_dump()))
    known |= {abs(number) for number in known}
    if name == "fleet":  # measured by its bound, which other models have otherwise
        known |= {abs(row.bias) / row.eps for row in EVERY[name].rows if row.bias is not None}
    for chart in drawn[name]:
        if chart.id == "chart-layers-units":
            continue
        assert marks(chart), chart.id
        for mark in marks(chart):
            assert float(mark.attrib["data-y"]) in known, mark.attrib
            assert mark.attrib["data-figure"] and mark.attrib["data-series"] and mark.attrib["data-x"]
            (title,) = mark.findall(f"{SVG}title")
            assert title.text == mark.attrib["data-tip"]


def along(chart: Chart, pixel: str, number: str) -> float:
    """Return how far, in pixels, marks lie from where a linear axis has their numbers."""
    pairs = [(float(one.attrib[number]), float(one.attrib[pixel])) for one in marks(chart) if one.tag == f"{SVG}use"]
    values_, pixels = np.array(pairs).T
    if np.ptp(values_) == 0:
        return float(np.ptp(pixels))
    line = np.polyfit(values_, pixels, 1)
    return float(np.abs(np.polyval(line, values_) - pixels).max())


@pytest.mark.parametrize("name", EVERY)
def test_symbols_stand_where_their_numbers_are(name: str, drawn: dict[str, tuple[Chart, ...]]) -> None:
    checked = 0
    for chart in drawn[name]:
        symbols = [one for one in marks(chart) if one.tag == f"{SVG}use"]
        if len(symbols) < 2:
            continue
        checked += 1
        if re.search("trajectory|sweep|front|trials|training|ranked", chart.id):
            assert along(chart, "x", "data-x") < 0.02, chart.id
            assert along(chart, "y", "data-y") < 0.02, chart.id
        else:
            assert along(chart, "x", "data-y") < 0.02, chart.id
    assert checked or name in {*WITHOUT, "importance", "probes"}


def bars(chart: Chart) -> list[tuple[float, float]]:
    """Return number and length in pixels of each bar."""
    found = []
    for mark in marks(chart):
        xs = [float(x) for x, _ in re.findall(r"[ML] (\S+) (\S+)", mark.attrib["d"])]
        found.append((float(mark.attrib["data-y"]), max(xs) - min(xs)))
    return found


@pytest.mark.parametrize("id", ["chart-layers-weights", "chart-importance-1"])
def test_bars_are_as_long_as_their_numbers(id: str, drawn: dict[str, tuple[Chart, ...]]) -> None:
    chart = named(drawn["repair" if "layers" in id else "probes"], id)
    lengths = np.array(bars(chart))
    longest = lengths[lengths[:, 0].argmax()]
    np.testing.assert_allclose(lengths[:, 1], lengths[:, 0] * longest[1] / longest[0], atol=0.02)


def test_groups_before_and_after(drawn: dict[str, tuple[Chart, ...]]) -> None:
    value: Report = EVERY["repair"]
    for index, field in itertools.product(range(2), ("selection_rate", "tpr", "fpr", "balanced_accuracy")):
        expected = {}
        assert value.after is not None
        for series, told_ in (("before", value.before), ("after", value.after)):
            for group in told_.parities[index].groups:
                expected[series, group.name] = getattr(group, field)
        assert told(named(drawn["repair"], f"chart-groups-{index + 1}-{field.replace('_', '-')}")) == expected


def test_the_bias_stands_inside_its_band_where_the_bound_holds() -> None:
    """The band, its edges and the symbols share one scale."""
    for bias, inside in ((-0.049, True), (-0.051, False), (0.0, True), (0.3, False)):
        chart = named(charts_of(examples.report(after=examples.figures(bias))), "chart-bias")
        band = next(one for one in root(chart).iter(f"{SVG}path") if one.get("fill") == "var(--band)")
        xs = [float(x) for x, _ in re.findall(r"[ML] (\S+) (\S+)", band.attrib["d"])]
        place = next(float(one.attrib["x"]) for one in marks(chart) if one.attrib["data-series"] == "after")
        assert (min(xs) <= place <= max(xs)) == inside, bias


def test_without_a_bound_there_is_no_band(drawn: dict[str, tuple[Chart, ...]]) -> None:
    assert all("var(--band)" not in chart.svg for chart in drawn["audit"])
    assert "var(--band)" in named(drawn["plain repair"], "chart-bias").svg


def test_the_trajectory_marks_the_step_that_was_chosen(drawn: dict[str, tuple[Chart, ...]]) -> None:
    value: Report = EVERY["repair"]
    chart = named(drawn["repair"], "chart-trajectory-bias")
    steps = {int(one.attrib["data-x"]): one for one in marks(chart) if one.tag == f"{SVG}use"}
    assert value.change is not None and len(steps) == len(value.trajectory)
    chosen = [one for one in marks(chart) if int(one.attrib["data-x"]) == value.change.chosen_step]
    assert len(chosen) == 2  # on the line, and the ring
    assert len({(one.attrib["x"], one.attrib["y"]) for one in chosen}) == 1
    assert "chosen: 15" in "".join(root(chart).itertext())


def test_the_front_rings_the_winner_and_shades_what_is_feasible(drawn: dict[str, tuple[Chart, ...]]) -> None:
    value: Comparison = EVERY["comparison"]
    chart = named(drawn["comparison"], "chart-front")
    points = [
        (one.attrib["data-series"], float(one.attrib["data-x"]), float(one.attrib["data-y"])) for one in marks(chart)
    ]
    winner = next(point for point in value.front if point.chosen and point.method == value.winner)
    own = (value.winner, abs(winner.bias), winner.quality)
    assert points.count(own) == 2  # its symbol, and the ring
    assert sorted(set(points)) == sorted({(one.method, abs(one.bias), one.quality) for one in value.front})
    assert "var(--band)" in chart.svg


def test_methods_differ_by_symbol_and_colour(drawn: dict[str, tuple[Chart, ...]]) -> None:
    chart = root(named(drawn["many methods"], "chart-front"))
    shapes = {one.get("id"): one.get("d") for one in chart.iter(f"{SVG}path") if one.get("id")}
    looks: dict[str, set[tuple[Any, Any]]] = {}
    for parent in chart.iter():
        for one in parent:
            if one.get("class") == "mark" and one.get("fill", parent.get("fill")) not in (None, "none"):
                fill = one.get("fill", parent.get("fill"))
                curves = re.sub(r"[^MLCQZz]", "", str(shapes[one.attrib["href"][1:]]))
                looks.setdefault(one.attrib["data-series"], set()).add((fill, curves))
    assert len(looks) == 14
    assert len({frozenset(look) for look in looks.values()}) > 8


def test_units_taken_out_are_drawn_layer_by_layer(drawn: dict[str, tuple[Chart, ...]]) -> None:
    value: Report = EVERY["repair"]
    chart = named(drawn["repair"], "chart-layers-units")
    found = {(one.attrib["data-x"], one.attrib["data-series"]): one for one in marks(chart)}
    for layer in value.layers[:2]:
        out = found.get((layer.layer, "pruned"))
        assert (out is not None) == bool(layer.pruned)
        kept = found[layer.layer, "kept"]
        assert kept.attrib["d"].count("M") == layer.units - len(layer.pruned) == int(kept.attrib["data-y"])
        if out is not None:
            starts = sorted(float(x) for x in re.findall(r"M (\S+)", out.attrib["d"] + kept.attrib["d"]))
            places = [starts.index(float(x)) for x in re.findall(r"M (\S+)", out.attrib["d"])]
            assert places == layer.pruned
    assert {name for name, _ in found} == {"hidden.0", "hidden.4"}


def test_crossed_groups_are_darker_where_the_rate_is_higher(drawn: dict[str, tuple[Chart, ...]]) -> None:
    value: Report = EVERY["repair"]
    for stage in ("before", "after"):
        chart = named(drawn["repair"], f"chart-crossing-1-{stage}")
        cells = {one.attrib["data-x"]: one for one in marks(chart)}
        assert set(cells) == {" · ".join(cell.groups) for cell in value.crossings[0].cells}
        ordered = sorted((float(one.attrib["data-y"]), float(one.attrib["fill-opacity"])) for one in cells.values())
        assert [opacity for _, opacity in ordered] == sorted(opacity for _, opacity in ordered)
        words = list(root(chart).itertext())
        for cell in value.crossings[0].cells:
            figures = getattr(cell, stage)
            assert f"{figures.selection_rate:.3f}" in words
            assert any(f"n {figures.n}{' !' if figures.n < 30 else ''}" == word for word in words)
        heads = ["< 25", "25-40", ">= 40"]
        assert [word for word in words if word in heads] == heads  # in the attribute's order
    assert "–" in words


def test_clusters_that_the_network_does_not_know_are_marked(drawn: dict[str, tuple[Chart, ...]]) -> None:
    words = list(root(named(drawn["repair"], "chart-clusters-1")).itertext())
    assert "site 2 †" in words and "site 1" in words and "site 1 †" not in words


def test_an_undefined_figure_is_left_out_and_told() -> None:
    before = examples.figures(None)
    before["parities"][0]["groups"][0]["tpr"] = None
    after = examples.figures(None)
    charts = charts_of(examples.report(before=before, after=after, threshold_only=None))
    assert not [chart for chart in charts if chart.id == "chart-bias"]
    chart = named(charts, "chart-groups-1-tpr")
    assert ("before", "Female") not in told(chart) and ("after", "Female") in told(chart)
    assert "– → 0.700" in list(root(chart).itertext())
    assert "Female undefined to 0.7" in chart.alt


def test_names_of_others_stay_words(hostile: tuple[Chart, ...]) -> None:
    charts = hostile
    whole = "".join(chart.svg for chart in charts)
    assert "<script" not in whole and "<img" not in whole and "<b>" not in whole
    for char in "\x00\x1b\u202e\ufffe\uffff":
        assert char not in whole
    whole.encode()  # no half of a surrogate pair
    words = {word for chart in charts for word in root(chart).itertext()}
    assert "(blank)" in words and "\\n" in words
    assert any("$x_1$" in word for word in words)
    assert "長い" in whole
    assert len(whole) < 1_000_000  # 100,000 letters of a name are not there
    assert all(len(chart.title) < 200 and len(chart.alt) < 2_000 for chart in charts)


@pytest.mark.parametrize("letter", ["W", "男", "i"])
def test_wide_names_leave_room_for_the_figures(letter: str) -> None:
    groups = [examples.group(letter * 30 + end, 60) for end in "ab"]
    parities = [examples.parity(-0.1, attribute=letter * 60, pair=(letter, "b"), groups=groups)]
    figures = examples.figures(-0.1, parities=parities)
    layer = {"units": 3, "inputs": 2, "weights": 9, "changed": 2, "relative": 0.1, "largest": 0.4, "pruned": [0]}
    layers = [{"layer": letter * 40, **layer}]
    report = examples.report(
        before=figures, after=figures, threshold_only=None, best_threshold=None, selection=None, layers=layers
    )
    charts = charts_of(report)
    assert {chart.id for chart in charts} >= {"chart-groups-1-tpr", "chart-layers-units", "chart-layers-weights"}
    ends = {word.partition("…")[2][-1:] for chart in charts for word in root(chart).itertext() if "…" in word}
    assert ends >= {"a", "b", letter}


def test_the_largest_values_stay_small(large: tuple[Chart, ...]) -> None:
    value, charts = values.large(), large
    assert sum(len(chart.svg.encode()) for chart in charts) < 1_300_000
    assert all(len(marks(chart)) <= 250 for chart in charts)
    groups = named(charts, "chart-groups-1-selection-rate")
    drawn_ = {name for _, name in told(groups)}
    rates = {group.name: group.selection_rate or 0.0 for group in value.before.parities[0].groups}
    ordered = sorted(rates, key=lambda name: rates[name])
    assert drawn_ == {*ordered[:10], *ordered[-10:]} and "20 of 60 groups" in groups.caption
    line = named(charts, "chart-trajectory-bias")
    steps = [int(one.attrib["data-x"]) for one in marks(line)]
    assert min(steps) == 0 and max(steps) == 1999 and steps.count(1000) >= 1


def test_of_many_trials_the_best_are_among_those_drawn() -> None:
    trials = charts_of(values.many_trials())
    assert sum(len(chart.svg.encode()) for chart in trials) < 600_000
    plane = {int(one.attrib["data-trial"]) for one in marks(named(trials, "chart-trials-plane"))}
    assert set(range(0, 499, 60)) | {499} <= plane


def test_a_users_own_settings_change_nothing() -> None:
    import matplotlib as mpl

    expected = charts_of(EVERY["plain repair"])
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.fonttype": "path", "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        assert charts_of(EVERY["plain repair"]) == expected
        assert dict(mpl.rcParams) == before
