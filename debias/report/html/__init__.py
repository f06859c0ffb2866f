"""Reports as one HTML file that needs nothing else: no network, no script to be read."""

from __future__ import annotations

from debias.report.html.page import to_html

__all__ = ["to_html"]
