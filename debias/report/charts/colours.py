"""The colours of charts: CSS variables in the page, stand-ins while matplotlib draws."""

from __future__ import annotations

import re

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b1f24",
    "muted": "#5a6370",
    "grid": "#dfe3e8",
    "accent": "#1f5fa8",
    "before": "#b45309",
    "after": "#1f5fa8",
    "band": "#2f855a",
    "warn": "#b42318",
    "series-1": "#1f5fa8",
    "series-2": "#c2570c",
    "series-3": "#0f7b6c",
    "series-4": "#a0348f",
    "series-5": "#7a6a00",
    "series-6": "#0b87b5",
    "series-7": "#b42345",
    "series-8": "#5a6370",
}
"""On light paper. Every colour but `grid` stands out from the paper by 3:1 or more, `ink` and `muted` by 4.5:1."""

DARK = {
    "paper": "#14171b",
    "ink": "#e7eaee",
    "muted": "#a3adb9",
    "grid": "#30363d",
    "accent": "#7db7ff",
    "before": "#f2a65a",
    "after": "#7db7ff",
    "band": "#5cc48d",
    "warn": "#ff8b7e",
    "series-1": "#7db7ff",
    "series-2": "#f2a65a",
    "series-3": "#4fd1b8",
    "series-4": "#e08ad4",
    "series-5": "#d3c04a",
    "series-6": "#58c7ee",
    "series-7": "#ff8aa3",
    "series-8": "#a3adb9",
}
"""The same on dark paper."""

SERIES = tuple(name for name in LIGHT if name.startswith("series-"))

_STAND_IN = {name: f"#f1{7 * index + 3:02x}{9 * index + 5:02x}" for index, name in enumerate(LIGHT)}
_NAMES = {colour: name for name, colour in _STAND_IN.items()}
_HEX = re.compile(r"#f1[0-9a-f]{4}\b")


def stand_in(name: str) -> str:
    """Return the colour that matplotlib draws with where the page shall use the variable ``--name``.

    Raises
    ------
    KeyError
        There is no such variable.
    """
    return _STAND_IN[name]


def with_variables(value: str) -> str:
    """Return a value of an SVG attribute with stand-ins replaced by their variables."""
    return _HEX.sub(lambda found: f"var(--{_NAMES[found[0]]})" if found[0] in _NAMES else found[0], value)


def css(colours: dict[str, str]) -> str:
    """Return declarations of the variables, as ``--paper: #ffffff; …``."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
