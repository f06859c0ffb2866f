"""What the tests of the page share."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import pytest

import debias
from debias.report.html import to_html
from debias.report.values.comparison import Comparison
from tests.kept import kept

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script of axe, which judges what a page is to people who cannot see it well."""
    try:
        return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        if os.environ.get("DEBIAS_TEST_BROWSER") == "required":
            raise
        pytest.skip("needs the package axe-playwright-python")


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Return a real comparison for two attributes."""

    def compare(path: Path) -> None:
        samples = ROOT / "sample_models"
        found = debias.compare(
            samples / "lender_mlp.pt",
            samples / "lender_valid.csv",
            attr=["sex", "existing_customer"],
            eps=0.2,
            methods=["threshold", "prune"],
            out=tmp_path_factory.mktemp("compared") / "repaired.pt",
        )
        path.write_text(found.model_dump_json(), encoding="utf-8")

    return Comparison.model_validate_json(kept("compared.json", compare).read_bytes())


@pytest.fixture(scope="session")
def compared_page(compared: Comparison) -> str:
    """Return its page."""
    made = kept("compared.html", lambda path: path.write_bytes(to_html(compared).encode()))
    return made.read_bytes().decode()
