"""How Sphinx builds the pages: ``python -m sphinx -W -b html docs OUT``. Nothing is fetched."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "debias"
author = "the authors of debias"
release = version = version_of("debias")
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "_pages"]
exclude_patterns = ["_build", "_pages"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["deflist", "fieldlist"]
smartquotes = False  # two dashes are a flag
myst_heading_anchors = 3

default_role = "py:obj"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}
napoleon_google_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 80
add_module_names = False

suppress_warnings = ["myst.header"]  # tables of the benchmarks stand under small headings

html_theme = "furo"
html_title = f"debias {release}"
html_show_sphinx = False
html_copy_source = False
html_last_updated_fmt = None

# the manual page: python -m sphinx -W -b man docs OUT
man_pages = [("reference/verbs", "debias", "repair a network that misses a fairness bound", [author], 1)]
