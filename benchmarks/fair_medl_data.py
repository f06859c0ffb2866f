"""The tables of `fair_medl.py`, made once from the official files and kept in the cache."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from debias.data.catalog import Preset

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@dataclass(frozen=True)
class Setting:
    """A table and how `crossval` reads it.

    Parameters
    ----------
    source : str
        Name in the catalog.
    file : str
        Official file or folder below the shared folder.
    preset : Preset, optional
        Of the catalog.
    options : dict
        Arguments of `crossval`.
    """

    source: str
    file: str
    preset: Preset | None = None
    options: dict[str, Any] = field(default_factory=dict)


SETTINGS = {
    "adult": Setting(
        "adult",
        "adult.csv.gz",
        "fair-medl",
        {
            "label": "income",
            "positive": ">50K",
            "cluster": "occupation",
            "seen": 6,
            "attr": ("sex", "age", "race", "marital-status"),
            "bins": ("age=31,46",),
            "ignore": ("age_bracket",),
        },
    ),
    "acs": Setting(
        "acs",
        ".",
        "fair-medl",
        {
            "label": "income",
            "positive": ">50K",
            "cluster": "occupation",
            "seen": 5,
            "attr": ("sex", "age", "race", "marital_status"),
            "bins": ("age=31,46",),
            "ignore": ("age_bracket",),
        },
    ),
    "law-school": Setting(
        "law-school",
        "law_school.csv.gz",
        None,
        {
            "label": "zfygpa",
            "regression": True,
            "cluster": "tier",
            "attr": ("race", "male"),
            "ignore": ("pass_bar", "zgpa", "decile1b", "decile3"),
        },
    ),
}


def cache() -> Path:
    """Return the folder for tables and predictions: DEBIAS_CACHE, else ~/.cache/debias/fair_medl."""
    folder = Path(os.environ.get("DEBIAS_CACHE", Path.home() / ".cache" / "debias" / "fair_medl"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def table(name: str, shared: Path = SHARED) -> Path:
    """Return the file of a table, made where it is missing."""
    from debias.data.catalog import SOURCES, Request

    setting = SETTINGS[name]
    path = cache() / f"{setting.source}{'.' + setting.preset if setting.preset else ''}.parquet"
    if not path.exists():
        made = SOURCES[setting.source].make(Request(source=shared / setting.file, preset=setting.preset))
        part = path.with_suffix(".part")
        made.frame.to_parquet(part, index=False)
        part.replace(path)
    return path
