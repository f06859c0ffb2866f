"""The documentation: everything that can be asked for is documented, and the pages build without a warning."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import debias
from debias import methods
from debias.cli.guard import ERROR, INTERRUPTED
from debias.cli.main import app
from debias.report.as_json import SCHEMA_FILES, schema
from debias.report.glossary import SOURCES, terms
from tests.warm import python

ROOT = Path(__file__).parents[2]
GROUP = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands  # type: ignore[attr-defined]
PAGES = sorted((ROOT / "docs").glob("*.md"))
VERBS = sorted(COMMANDS)

sys.path.insert(0, str(ROOT / "docs"))
from _pages import markup  # noqa: E402


def flags(verb: str) -> set[str]:
    """Return the names of the flags of a verb, those that say no among them."""
    found = {name for one in COMMANDS[verb].params for name in (*one.opts, *one.secondary_opts)}
    return {name for name in found if name.startswith("-")}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_every_flag_has_help(verb: str) -> None:
    command = COMMANDS[verb]
    assert (command.help or "").strip().endswith((".", ":")), verb
    for one in command.params:
        assert (one.help or "").strip(), f"debias {verb}: {one.name} has no help"
        assert not re.search(r"TODO|FIXME|XXX", one.help)


@pytest.mark.parametrize("verb", VERBS)
def test_a_page_written_by_hand_names_the_verb(verb: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (*PAGES, ROOT / "README.md")]
    if verb in methods.names():
        assert f"| `{verb}` |" in texts[-1], f"the README's table of methods lacks {verb}"
    assert any(re.search(rf"\bdebias {verb}\b", text) for text in texts) or verb in methods.names()


@pytest.mark.parametrize("name", methods.names())
def test_every_method_has_its_section_and_its_paper(name: str) -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert f"\n## {name}\n" in page
    row = next(line for line in page.splitlines() if line.startswith(f"| [{name}](#{name}) |"))
    assert row.count("|") == 4 and len(row.split("|")[3].strip()) > 5
    assert next(term for term in terms() if term.theme.name == "METHOD" and term.name == name).sources


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_pages_name_only_verbs_and_flags_that_there_are(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    every = set().union(*map(flags, VERBS)) | {"--help", "--version", "--install-completion", "--show-completion"}
    for line in re.findall(r"^debias .*|(?<=`)debias [^`\n]+(?=`)", text, re.MULTILINE):
        verb = line.split()[1]
        if verb.isupper() or verb.startswith("-"):
            continue
        assert verb in COMMANDS, f"{page.name}: {line}"
        command = line.partition(" #")[0]
        for flag in re.findall(r"(?<=\s)--[a-z][a-z-]*", command):
            assert flag in flags(verb) | {"--help"}, f"{page.name}: debias {verb} has no {flag}"
    # of other programs that the pages show
    others = {"--upgrade", "--quiet", "--hook-stage", "--all-files", "--no-cache-dir"}
    for flag in re.findall(r"(?<=`)--[a-z][a-z-]*", text):
        assert flag in every | others, f"{page.name}: {flag}"


def test_exit_codes_of_the_verdict_page_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "verdict.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| (pass|fail|inconclusive|no bound) \|.*\| (\d) \|$", page, re.MULTILINE))
    from debias.objective.constrained import Verdict, exit_code

    for verdict in Verdict.__args__:  # type: ignore[attr-defined]
        assert int(told[verdict.replace("-", " ")]) == exit_code(verdict)
    assert f"Exit code {ERROR} is an error" in page and f"{INTERRUPTED} an interruption" in page


# --- the pages as built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the pages, built from a copy as the documented command does."""
    place = tmp_path_factory.mktemp("docs")
    left_out = shutil.ignore_patterns("reference", "benchmarks", "_build", "__pycache__")
    shutil.copytree(ROOT / "docs", place / "docs", ignore=left_out)
    shutil.copytree(ROOT / "benchmarks", place / "benchmarks", ignore=shutil.ignore_patterns("*.py", "*.json*"))
    # a page that an earlier build made of a verb that is gone
    stale = place / "docs" / "reference" / "verbs" / "gone.md"
    stale.parent.mkdir(parents=True)
    stale.write_text("# debias gone\n", encoding="utf-8")
    done = subprocess.run(
        [python(), "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", "out"],
        cwd=place,
        env={**os.environ, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not stale.exists()
    return place / "out"


class Page(HTMLParser):
    """The addresses, ids and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.fetched.append(found["href"])
        if tag in ("script", "img", "iframe", "source"):
            self.fetched += [found[name] for name in ("src", "srcset") if name in found]

    def handle_data(self, data: str) -> None:
        self.text += data


@cache
def parsed(path: Path) -> Page:
    return Page(path)


def words(path: Path) -> str:
    return " ".join(parsed(path).text.split())


def test_a_page_for_every_verb_with_every_flag(built: Path) -> None:
    for verb in VERBS:
        path = built / "reference" / "verbs" / f"{verb}.html"
        page = parsed(path)
        for one in COMMANDS[verb].params:
            told = " ".join((one.help or "").replace("`", "").split())
            assert told in words(path), f"{verb}: {one.name}"
        for flag in flags(verb):
            assert f"cmdoption-debias-{verb}-{flag.lstrip('-')}" in page.ids or flag in page.text, f"{verb}: {flag}"
    assert {path.stem for path in (built / "reference" / "verbs").glob("*.html")} == set(VERBS)


def test_an_entry_for_every_term_with_its_formula_and_sources(built: Path) -> None:
    for term in terms():
        path = built / "reference" / "glossary" / f"{term.theme.name.lower()}.html"
        assert f"{term.theme.name.lower()}-{term.name}" in parsed(path).ids
        text = words(path)
        for part in (term.brief, term.formula, term.undefined, term.example, *map(str, term.sources)):
            assert " ".join(part.split()).replace("`", "") in text, (term.name, part)
    sources = words(built / "reference" / "glossary" / "sources.html")
    assert all(source in sources for source in SOURCES.values())


def test_every_field_of_every_document(built: Path) -> None:
    for file_name in SCHEMA_FILES:
        path = built / "reference" / "json" / f"{file_name.partition('.')[0]}.html"
        text, ids = words(path), parsed(path).ids
        whole = schema(file_name)
        for name, part in {"": whole, **whole.get("$defs", {})}.items():
            assert not name or name.lower() in ids
            for field, shape in part.get("properties", {}).items():
                assert field in text
                assert " ".join(shape.get("description", "").replace("`", "").split()) in text, (file_name, field)


def test_every_public_name_of_the_package(built: Path) -> None:
    ids = parsed(built / "reference" / "python.html").ids
    for name in set(debias.__all__) - {"__version__"}:
        assert any(one == f"debias.{name}" or one.endswith(f".{name}") for one in ids), name


def test_nothing_is_fetched_from_elsewhere(built: Path) -> None:
    for path in built.rglob("*.html"):
        for address in parsed(path).fetched:
            assert not re.match(r"(https?:)?//", address), f"{path.name}: {address}"
    for path in built.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", path.read_text(encoding="utf-8")), path.name


def test_links_and_anchors_lead_somewhere(built: Path) -> None:
    for path in built.rglob("*.html"):
        for link in parsed(path).links:
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = unquote(html.unescape(link)).partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.exists(), f"{path.relative_to(built)}: {link}"
            if anchor and target.suffix == ".html":
                assert anchor in parsed(target).ids, f"{path.relative_to(built)}: {link}"


def test_copies_of_the_benchmarks_have_their_pictures(built: Path) -> None:
    pictures = {Path(address).name for address in parsed(built / "benchmarks" / "README.html").fetched}
    assert {"figure3.png", "probes.svg"} <= pictures
    assert any("benchmarks/README.html" in link for link in parsed(built / "methods.html").links)


# --- text of the code as Markdown

PLAIN = st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="`"), min_size=1)


@given(PLAIN)
def test_plain_text_stays_as_it_is(plain: str) -> None:
    """Within a line, as in a table cell or behind a term; another reader of Markdown says so."""
    rendered = MarkdownIt().render(f"x {markup.text(plain)}")
    shown = html.unescape(re.sub(r"</?(p|code)>", "", rendered))
    assert " ".join(shown.split()) == " ".join(f"x {plain}".split())


@given(PLAIN)
def test_code_stays_as_it_is(plain: str) -> None:
    rendered = MarkdownIt().render(f"x {markup.code(' '.join(plain.split()) or 'y')} y")
    found = re.search(r"<code>(.*)</code>", rendered, re.DOTALL)
    assert found and html.unescape(found[1]).strip() == (" ".join(plain.split()) or "y").strip()


def test_flags_and_backticks_are_code() -> None:
    assert markup.text("see --eps and `x_y`, not a_b") == "see `--eps` and `x_y`, not a\\_b"


def test_manual_page(built: Path) -> None:
    """It is made of the same pages, without reading them again, and groff has nothing against it."""
    done = subprocess.run(
        [python(), "-m", "sphinx", "-q", "-W", "-b", "man", "-d", "out/.doctrees", "docs", "man"],
        cwd=built.parent,
        env={**os.environ, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = built.parent / "man" / "debias.1"
    text = page.read_text(encoding="utf-8")
    for verb in VERBS:
        assert f".SH DEBIAS {verb.upper()}\n" in text
        for flag in flags(verb) - {"--help", "-h"}:
            assert flag.replace("-", r"\-") in text, f"{verb} {flag}"
    groff = shutil.which("groff")
    if groff is not None:
        shown = subprocess.run(
            [groff, "-man", "-Kutf8", "-Tutf8", "-ww", str(page)], capture_output=True, encoding="utf-8", check=False
        )
        assert (shown.returncode, shown.stderr) == (0, "")
