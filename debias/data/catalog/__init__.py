"""Public data sets of the papers: from the official file to encoded rows, one file a data set."""

from debias.data.catalog.adult import adult
from debias.data.catalog.bank import bank
from debias.data.catalog.compas import compas
from debias.data.catalog.dataset import Dataset
from debias.data.catalog.mimic import DOWNLOAD as MIMIC_DOWNLOAD
from debias.data.catalog.mimic import mimic

__all__ = ["MIMIC_DOWNLOAD", "Dataset", "adult", "bank", "compas", "mimic"]
