"""Public data sets of the papers: from the official files to a tidy table, and to encoded rows; one file a data set."""

from debias.data.catalog import acs, heritage, ipums, law_school
from debias.data.catalog.adult import SOURCE as _ADULT
from debias.data.catalog.adult import adult
from debias.data.catalog.bank import SOURCE as _BANK
from debias.data.catalog.bank import bank
from debias.data.catalog.compas import SOURCE as _COMPAS
from debias.data.catalog.compas import compas
from debias.data.catalog.dataset import Dataset
from debias.data.catalog.mimic import DOWNLOAD as MIMIC_DOWNLOAD
from debias.data.catalog.mimic import SOURCE as _MIMIC
from debias.data.catalog.mimic import mimic
from debias.data.catalog.source import PRESETS, Preset, Request, Source, Tidy, Use

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        _ADULT,
        _BANK,
        _COMPAS,
        acs.SOURCE,
        law_school.SOURCE,
        _MIMIC,
        heritage.SOURCE,
        ipums.SOURCE,
    )
}
"""Every data set by its short name."""

__all__ = [
    "MIMIC_DOWNLOAD",
    "PRESETS",
    "SOURCES",
    "Dataset",
    "Preset",
    "Request",
    "Source",
    "Tidy",
    "Use",
    "adult",
    "bank",
    "compas",
    "mimic",
]
