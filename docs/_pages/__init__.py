"""The reference pages, written from the code before each build, and the benchmarks' pages beside them.

A Sphinx extension. What it writes lies in ``reference/`` and ``benchmarks/`` of the source folder, is made anew by
every build, and is not kept in version control. A file that would not change is left alone, so that Sphinx reads only
what is new.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MADE = ("reference", "benchmarks")
"""Folders of the source that are made here."""

_OUTWARDS = re.compile(r"\]\(\.\./benchmarks/(?=[^)]*\.md[)#])")


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", _write)
    app.connect("source-read", _point_inwards)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def pages() -> Iterator[tuple[str, bytes]]:
    """Yield every page that is made, as path below the source folder and content."""
    from _pages import api, glossary, settings, values, verbs

    for made in (verbs.pages(), glossary.pages(), settings.pages(), values.pages(), api.pages(), _benchmarks()):
        for path, text in made:
            yield path, text.encode() if isinstance(text, str) else text


def _benchmarks() -> Iterator[tuple[str, bytes]]:
    """Yield the pages and pictures of the benchmarks, from beside the source folder of the project."""
    folder = Path(__file__).resolve().parents[2] / "benchmarks"
    for pattern in ("*.md", "results/*.png", "results/*.svg"):
        for path in sorted(folder.glob(pattern)):
            yield f"benchmarks/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _write(app: Any) -> None:
    source = Path(app.srcdir)
    made = dict(pages())
    for folder in MADE:
        for path in sorted((source / folder).rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(source).as_posix() not in made:
                path.unlink()
    for name, content in made.items():
        path = source / name
        if path.is_file() and path.read_bytes() == content:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _point_inwards(app: Any, name: str, content: list[str]) -> None:
    """Point links to the benchmarks of the project at their copies among the pages."""
    del app
    content[0] = _OUTWARDS.sub(f"]({'../' * name.count('/')}benchmarks/", content[0])
