"""Colours of charts: legible on their paper, apart for every kind of colour vision."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from debias.report.charts.colours import DARK, LIGHT, SERIES, css, stand_in, with_variables

THEMES = {"light": LIGHT, "dark": DARK}

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> npt.NDArray[np.float64]:
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio as WCAG 2 defines it."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted((float(linear(first) @ weights), float(linear(second) @ weights)))
    return (high + 0.05) / (low + 0.05)


def lab(seen: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return CIE Lab of linear sRGB, white D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    scaled = to_xyz @ np.clip(seen, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(scaled > (6 / 29) ** 3, np.cbrt(scaled), scaled / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def mixed(over: str, under: str, opacity: float) -> str:
    parts = [
        round(opacity * int(over[at : at + 2], 16) + (1 - opacity) * int(under[at : at + 2], 16)) for at in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)


@pytest.mark.parametrize("theme", THEMES)
def test_letters_and_symbols_stand_out(theme: str) -> None:
    colours = THEMES[theme]
    for name, colour in colours.items():
        least = {"paper": 1.0, "grid": 1.0, "ink": 4.5, "muted": 4.5}.get(name, 3.0)
        assert contrast(colour, colours["paper"]) >= least, name


@pytest.mark.parametrize("theme", THEMES)
def test_letters_stand_out_from_the_darkest_cell(theme: str) -> None:
    from debias.report.charts.crossings import _DARKEST

    colours = THEMES[theme]
    assert contrast(colours["ink"], mixed(colours["accent"], colours["paper"], _DARKEST)) >= 4.5


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", THEMES)
def test_before_and_after_differ_for_everyone(theme: str, vision: str) -> None:
    """A difference of 2 is just seen; hollow and filled symbols tell them apart as well."""
    colours = THEMES[theme]
    for one, other in (("before", "after"), ("after", "warn")):
        seen = [lab(VISION[vision] @ linear(colours[name])) for name in (one, other)]
        assert np.linalg.norm(seen[0] - seen[1]) > 20, (one, other)


@pytest.mark.parametrize("theme", THEMES)
def test_neighbouring_series_differ_for_everyone(theme: str) -> None:
    """The first four, which most charts need; further ones differ by symbol."""
    colours = THEMES[theme]
    for (one, other), matrix in itertools.product(itertools.combinations(SERIES[:4], 2), VISION.values()):
        seen = [lab(matrix @ linear(colours[name])) for name in (one, other)]
        assert np.linalg.norm(seen[0] - seen[1]) > 8, (one, other)


def test_both_themes_have_the_same_names() -> None:
    assert list(LIGHT) == list(DARK)
    assert css({"ink": "#000000", "paper": "#ffffff"}) == "--ink: #000000; --paper: #ffffff;"


def test_stand_ins_become_variables() -> None:
    assert len({stand_in(name) for name in LIGHT}) == len(LIGHT)
    for name in LIGHT:
        assert with_variables(f"a {stand_in(name)}; b") == f"a var(--{name}); b"
    with pytest.raises(KeyError):
        stand_in("puce")
