"""Runs on a table whose every name tries to be something else than text: the reports are those of plain names.

Each run is made twice, on the same rows: with hostile names and with plain ones that sort alike. A reader that we did
not write takes each report apart; but for the names, both have to be the same.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import junitparser
import numpy as np
import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from debias.report.text import visible
from tests.cli.test_gate import obeyed
from tests.report.html.looks import Watch
from tests.run import world
from tests.run.world import Result, call

if TYPE_CHECKING:
    from playwright.sync_api import Page

ENDINGS = ("html", "md", "json", "xml", "sarif")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:huggingface_hub")


@dataclass(frozen=True)
class Names:
    """What the table and its files are called."""

    columns: Sequence[str]
    sexes: Sequence[str]
    regions: Sequence[str]
    jobs: Sequence[str]
    model: str
    data: str

    @property
    def shown(self) -> list[str]:
        """Names that every report of both attributes has to show."""
        return [*self.columns[2:4], *self.sexes, *self.regions]


def plain(like: Names) -> Names:
    """Return plain names for the places of others, whose table has the same kind of file."""

    def letters(names: Sequence[str], first: str) -> list[str]:
        return [f"{first}{number}" for number in range(len(names))]

    columns = ["income", "debt", "sex", "region", "job", "outcome"]
    groups = (letters(like.sexes, "s"), letters(like.regions, "r"), letters(like.jobs, "j"))
    return Names(columns, *groups, "model.pt", f"rows{Path(like.data).suffix}")


MARKUP = Names(
    columns=[
        "=cmd|' /C calc'!A0,\n# heading",
        "--eps",
        "</title></script></style><script>window.ran=1;alert(1)</script><img src=http://a.invalid/x onerror=alert(2)>",
        "![a](http://example.invalid/a.png) [b](javascript:alert(3)) https://b.invalid www.example.invalid x@y.zz",
        "]]>--><?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>&x;",
        'outcome: !!python/object/apply:os.system ["id"] # &a *a',
    ],
    sexes=["<b>`c`</b> | **m** | ~~n~~ \\| `", "---\nlicense: mit\n---\n# h1\n| a | b |\n|---|---|\n| c | d |"],
    regions=[
        "- [ ] item\n  1. one\n> quote\n```\ncode",
        "{{ 7*7 }} {% raw %} ${{ github.token }} $x^2$ \\frac{1}{2} {0} %s",
        '"><svg onload=alert(4)><a href="javascript:alert(5)">&lt;&#x3c;&amp;',
        "</data></details></text></testsuite>",
        "<!-- -->\ufeff",
    ],
    jobs=["<script>alert(6)</script>", "| x | y |\n# z", "{0}](http://example.invalid)", "~"],
    model="-m: <img src=x onerror=alert(7)> [l](http:a) '\"$(id)` # |---|.pt",
    data="d: ]]> - <script>alert(8)<!-- # x\n---.csv",
)
CONTROLS = Names(
    columns=[
        "\x1b]0;title\x07\x1b[2J",
        "income\u202e,debt",
        "::add-mask::secret\n::error::x ##[error]y\r\n::stop-commands::w",
        "$(touch pwned); `touch pwned` && rm -rf / #'\" %0A%25",
        "job\x9b31m\x85\u2028\u2029",
        "label\u2066\u200b\u2069",
    ],
    sexes=["\x00a\x1b[31mred\x1b[0m", "\x7f\x80\u202eevil\ufffe\uffff\U000e0001"],
    regions=["W" * 3000 + "1", "W" * 3000 + "2", "##[add-mask]b", "男" * 40, "a\t- x"],
    jobs=["\x1b[8mhidden", "::error::job", "\u202ejob", "x" * 900],
    model=os.fsdecode(b"-m\xff\x1b[1m\n::error::\xe2\x80\xae.pt"),
    data=os.fsdecode(b"d\xfe\x1b[2J\r.parquet"),
)
HOSTILE = {"markup": MARKUP, "controls": CONTROLS}


def table(names: Names) -> pd.DataFrame:
    """Return the rows of the small world with two more columns, all under these names."""
    frame = world.table()
    random = np.random.default_rng(3)
    frame.insert(3, "region", random.choice(5, len(frame)))
    frame.insert(4, "job", random.choice(4, len(frame)))
    # The n-th name of each column in sorted order stands for the same rows, whatever the names are.
    frame["sex"] = frame["sex"].map(dict(zip("fm", sorted(names.sexes), strict=True)))
    frame["region"] = frame["region"].map(dict(enumerate(sorted(names.regions))))
    frame["job"] = frame["job"].map(dict(enumerate(sorted(names.jobs))))
    return frame.set_axis(list(names.columns), axis=1)


def quoted(*names: str) -> str:
    """Return names as a flag takes a list of them."""
    return ",".join('"' + name.replace('"', '""') + '"' for name in names)


class Runs:
    """All runs of one set of names, in a folder of their own."""

    def __init__(self, folder: Path, names: Names, model: Path) -> None:
        self.folder, self.names = folder, names
        self.done: dict[str, Result] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("GITHUB_ACTIONS", "true")
            patch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
            shutil.copy(model, folder / names.model)
            frame = table(names)
            frame.to_parquet("table") if names.data.endswith(".parquet") else frame.to_csv("table", index=False)
            Path("table").rename(names.data)
            self._run()

    def _run(self) -> None:
        names = self.names
        income, debt, sex, region, job, label = names.columns
        data = ("--data", names.data, "--label", label)
        asked = (*data, "--attr", sex, "--attr", region, "--features", quoted(income, debt))
        deployed = ("--", names.model)
        self.go("audit", "audit", "--eps", "0.05", *asked, *self.reports("audit"), "--card", "audit-card.md",
                "--write-baseline", "known.json", "--confidence", "0.95", *deployed)  # fmt: skip
        self.go("accepted", "audit", "--eps", "0.05", *asked, "--baseline", "known.json", "--json", *deployed)
        self.go("prune", "prune", "--eps", "0.3", "--keep-best", "--limit", "2", *asked, *self.reports("prune"),
                "--card", "prune-card.md", "--out", f"./prune {names.model}", *deployed)  # fmt: skip
        self.go("compare", "compare", "--eps", "0.4", "--methods", "threshold,roc", "--workers", "1", *asked,
                *self.reports("compare", "html", "md", "xml"), "--out", f"./best {names.model}", *deployed)  # fmt: skip
        self.go("diff", "diff", "audit.json", "prune.json", *self.reports("diff", "html", "md", "json"))
        self.go("verify", "verify", f"prune {names.model}", "--source", f"./{names.model}", "--data", names.data,
                *self.reports("verify", "html", "md", "json"))  # fmt: skip
        clusters = (*data, "--attr", sex, "--cluster", job, "--ignore", quoted(region))
        self.go("train", "train", "medl", *clusters, "--epochs", "1", "--warmup", "0", "--out", "medl.pt",
                *self.reports("train", "html", "md", "json"))  # fmt: skip
        self.go("mixed", "audit", "medl.pt", *clusters[:-2], *self.reports("mixed", "html", "md", "json"))
        self.go("importance", "importance", "medl.pt", *clusters[:-2],
                *self.reports("importance", "html", "md", "json"))  # fmt: skip

    def go(self, name: str, *arguments: str) -> None:
        """Run a command; each of these comes to an end as it should."""
        self.done[name] = done = call(*arguments)
        assert done.code in (0, 1), f"{name}: {done.err[-2000:]}"

    def reports(self, name: str, *endings: str) -> list[str]:
        return [part for ending in endings or ENDINGS for part in ("--report", f"{name}.{ending}")]

    def text(self, name: str) -> str:
        return (self.folder / name).read_bytes().decode()

    def named(self, ending: str) -> list[str]:
        return sorted(path.name for path in self.folder.glob(f"*.{ending}"))


@dataclass(frozen=True)
class Pair:
    """The same runs under hostile and under plain names."""

    hostile: Runs
    plain: Runs

    def files(self, ending: str) -> Iterator[tuple[str, str, str]]:
        """Yield the name of each report with both its texts."""
        own = f"*.{ending}"
        names = [path.name for path in self.plain.folder.glob(own)]
        assert names
        for name in sorted(names):
            yield name, self.hostile.text(name), self.plain.text(name)


@pytest.fixture(scope="module", params=HOSTILE)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    names = HOSTILE[request.param]
    model = tmp_path_factory.mktemp("net") / "net.pt"
    world.save(world.trained(world.table()), model)
    made = [Runs(tmp_path_factory.mktemp("runs"), one, model) for one in (names, plain(names))]
    return Pair(*made)


def squeezed(text: str) -> str:
    """Return text without blanks, which readers and line ends change."""
    return "".join(text.split())


def assert_shown(names: Names, text: str) -> None:
    """Check that all names stand in a text; of very long ones the start, which is all that some formats have."""
    found = squeezed(text)
    for name in names.shown:
        assert squeezed(visible(name).strip())[:200] in found or not name.strip()


def assert_printable(text: str) -> None:
    assert sorted({char for char in text.replace("\n", "") if not char.isprintable()} - {"\u00a0"}) == []


def test_the_terminal(pair: Pair) -> None:
    for name, done in pair.hostile.done.items():
        assert done.code == pair.plain.done[name].code
        for stream in (done.out, done.err):
            assert_printable(stream)
        assert obeyed(done.out) == []
        # Annotations of our own begin with the file and our title; nothing of a name is a command, or ends one.
        wanted, own = obeyed(pair.plain.done[name].err), obeyed(done.err)
        kinds = [[re.match(r"::(error|warning|notice) .*?title=debias DB\d+ [a-z-]+::", line) for line in part]
                 for part in (wanted, own)]  # fmt: skip
        assert all(map(all, kinds)) and len(kinds[0]) == len(kinds[1])
    for name in ("audit", "prune", "compare"):
        assert_shown(pair.hostile.names, pair.hostile.done[name].out)


PROSE = {
    "statement",
    "sentence",
    "notes",
    "command",
    "path",
    "sha256",
    "size",
    "summary",
    "smaller",
    "worse",
    "reason",
    "attribute_swap_reason",
}
"""Fields that hold sentences with names, or what depends on the bytes of the files."""


def bare(value: Any, names: dict[str, str]) -> Any:
    """Return JSON without prose, its names replaced."""
    if isinstance(value, dict):
        return {names.get(key, key): bare(item, names) for key, item in value.items() if key not in PROSE}
    if isinstance(value, list):
        return [bare(item, names) for item in value]
    # A crossed group is told by its parts.
    return " × ".join(names.get(part, part) for part in value.split(" × ")) if isinstance(value, str) else value


def replaced(pair: Pair) -> dict[str, str]:
    hostile, plain = pair.hostile.names, pair.plain.names
    both = [(hostile.columns, plain.columns)]
    both += [(sorted(getattr(hostile, part)), getattr(plain, part)) for part in ("sexes", "regions", "jobs")]
    return {name: other for one, others in both for name, other in zip(one, others, strict=True)}


@pytest.mark.parametrize("name", ["audit", "prune", "mixed"])
def test_json_is_that_of_plain_names(pair: Pair, name: str) -> None:
    hostile, plain = (json.loads(runs.text(f"{name}.json")) for runs in (pair.hostile, pair.plain))
    assert bare(hostile, replaced(pair)) == bare(plain, {})
    groups = [group["name"] for parity in hostile["before"]["parities"] for group in parity["groups"]]
    assert set(groups) <= {*pair.hostile.names.sexes, *pair.hostile.names.regions}


def test_json_holds_nothing_that_a_terminal_obeys(pair: Pair) -> None:
    for _, text, _ in pair.files("json"):
        assert_printable(text)
    printed = pair.hostile.done["accepted"].out
    assert_printable(printed)
    assert json.loads(printed)["baseline"]["accepted"]


READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def shape(text: str) -> list[str]:
    """Return what a reader of Markdown makes of a text, without the words."""
    found = []
    for token in READER.parse(text):
        found += [f"{token.type} {token.tag} {token.level}"]
        found += [child.type for child in token.children or [] if child.type != "text"]
    return found


def words(text: str) -> str:
    """Return the words that a reader of Markdown shows."""
    inline = (token.children or [token] for token in READER.parse(text) if token.type in ("inline", "fence"))
    return "\n".join("".join(child.content for child in part) for part in inline)


def test_markdown(pair: Pair) -> None:
    for name, text, plain in pair.files("md"):
        assert_printable(text)
        if name.endswith("card.md"):
            text, plain = (whole.split("\n---\n", 1)[1] for whole in (text, plain))
        assert shape(text) == shape(plain), name
        kinds = {part.split()[0] for part in shape(text)}
        assert not kinds & {"link_open", "image", "html_inline", "code_block", "hr", "s_open"}
        if name != "summary.md":
            assert "html_block" not in kinds
        if name in ("audit.md", "prune.md", "compare.md", "audit-card.md", "summary.md"):
            assert_shown(pair.hostile.names, words(text))


def test_the_summary_folds_what_it_should(pair: Pair) -> None:
    blocks = [token.content for token in READER.parse(pair.hostile.text("summary.md")) if token.type == "html_block"]
    assert len(blocks) > 20
    assert all(re.fullmatch(r"<details><summary>[^<>\n]*</summary>\n|</details>\n?", block) for block in blocks)


def tree(text: str) -> list[tuple[str, list[str]]]:
    return [(element.tag, sorted(element.attrib)) for element in ElementTree.fromstring(text.encode()).iter()]


def test_junit(pair: Pair) -> None:
    for name, text, plain in pair.files("xml"):
        assert tree(text) == tree(plain), name
        assert_printable("".join(ElementTree.fromstring(text).itertext()))
        read, other = (junitparser.JUnitXml.fromstring(whole.encode()) for whole in (text, plain))
        assert [(suite.tests, suite.failures, suite.errors) for suite in read] == [
            (suite.tests, suite.failures, suite.errors) for suite in other
        ]
        cases = [case.name for suite in read for case in suite]
        for column in pair.hostile.names.columns[2:4]:
            assert any(case.startswith(f"{visible(column)}: statistical-parity") for case in cases)


def test_sarif(pair: Pair) -> None:
    for name, text, plain in pair.files("sarif"):
        assert_printable(text)
        hostile, other = (json.loads(whole)["runs"][0] for whole in (text, plain))
        assert [(one["ruleId"], one["level"], one["properties"]["bias"]) for one in hostile["results"]] == [
            (one["ruleId"], one["level"], one["properties"]["bias"]) for one in other["results"]
        ], name
        for result in hostile["results"]:
            where = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"[A-Za-z0-9%._~-]+", where)
            # An unescaped bracket before a parenthesis would be a link (section 3.11.6).
            assert not re.search(r"(?<!\\)\]\(", result["message"]["text"])


def test_cards(pair: Pair) -> None:
    for name in ("audit-card.md", "prune-card.md"):
        hostile, plain = (runs.text(name) for runs in (pair.hostile, pair.plain))
        front, other = (yaml.safe_load(text.split("---\n")[1]) for text in (hostile, plain))
        assert front.keys() == other.keys()
        assert (front["tags"], front["metrics"], "license" in front) == (other["tags"], other["metrics"], False)
        results = ModelCard(hostile).data.eval_results or []
        assert [one.metric_value for one in results] == [
            one.metric_value for one in ModelCard(plain).data.eval_results or []
        ]
        groups = [group for one in results for group in (one.metric_args or {}).get("groups", [])]
        assert len(groups) == 7
        longest = {visible(text)[:100] for text in (*pair.hostile.names.sexes, *pair.hostile.names.regions)}
        assert {group[:100] for group in groups} == {text.strip() or text for text in longest} | (set(groups) & longest)


TAGS = "() => [...document.body.querySelectorAll('*')].filter(e => !e.closest('svg')).map(e => e.tagName).join(' ')"
MARKS = "() => [...document.querySelectorAll('figure svg')].map(e => [e.id, e.querySelectorAll('.mark').length].join())"


@pytest.mark.parametrize("name", ["audit", "prune", "compare", "diff", "verify", "train", "mixed", "importance"])
def test_pages(pair: Pair, name: str, browser_page: Page) -> None:
    watch, found = Watch(browser_page), []
    for runs in (pair.plain, pair.hostile):
        where = (runs.folder / f"{name}.html").as_uri()
        browser_page.goto(where, wait_until="load")
        assert watch.said == [] and watch.asked[-1] == where
        found.append([browser_page.evaluate(TAGS), browser_page.evaluate(MARKS)])
        assert (runs.folder / f"{name}.html").stat().st_size < 2_000_000
    assert len(watch.asked) == 2
    assert found[0] == found[1]
    assert browser_page.evaluate("window.ran") is None
    assert re.match(r"[A-Z ]+: debias [a-z]+", browser_page.title())
    shown = browser_page.evaluate("document.body.textContent")
    assert_printable(shown.replace("\u200d", ""))
    if name in ("audit", "prune", "compare"):
        assert_shown(pair.hostile.names, shown)


@pytest.mark.parametrize("kind", ["html", "md", "json", "xml", "sarif", "card", "terminal"])
def test_any_format_again_from_the_json(pair: Pair, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pair.hostile.folder)
    done = call("report", "prune.json", "--to", kind, "--out", f"again.{kind}.txt")
    assert (done.code, done.out, done.err) == (0, "", "")
    again = Path(f"again.{kind}.txt").read_bytes()
    Path(f"again.{kind}.txt").unlink()
    if kind == "terminal":
        # What was printed in a step of GitHub stands between two lines that keep it from obeying.
        printed = pair.hostile.done["prune"].out
        assert again.decode() in printed
    elif kind in ("html", "md", "json", "xml") or pair.hostile.names.model.isprintable():
        # JSON has no bytes that are no UTF-8: of such a path SARIF and card have the letters of its escape from there.
        first = "prune-card.md" if kind == "card" else f"prune.{kind}"
        assert again == (pair.hostile.folder / first).read_bytes()


def test_settings_of_a_file(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pair.hostile.folder)
    names = pair.hostile.names
    own = {"data": names.data, "label": names.columns[5], "attr": list(names.columns[2:4]), "metrc": names.columns[0]}
    lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in own.items()]
    text = "\n".join(["[audit]", *lines]).replace("\\udc", "\\u00").replace("\x7f", "\\u007f")
    Path("hostile.toml").write_text(text)
    done = call("config", "audit", "--config", "hostile.toml")
    assert done.code == 2 and "metrc" in done.err
    Path("hostile.toml").write_text(text.rpartition("\n")[0])
    done = call("config", "audit", "--config", "hostile.toml")
    assert done.code == 0
    for stream in (done.out, done.err):
        assert_printable(stream)
    told = json.loads(call("config", "audit", "--config", "hostile.toml", "--json").out)
    (attr,) = (one for one in told["settings"] if one["key"] == "attr")
    assert attr["value"] == list(names.columns[2:4])


def test_the_command_to_repeat(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that can be typed as they are shown repeat the run; a model that starts with a dash is no flag."""
    import shlex

    monkeypatch.chdir(pair.hostile.folder)
    before = json.loads(pair.hostile.text("audit.json"))
    if "\\udc" in before["command"]:
        pytest.skip("a path that is no UTF-8 cannot be typed from a report")
    again = call(*shlex.split(before["command"])[1:], "--json")
    assert again.code == before["exit_code"]
    assert json.loads(again.out)["before"] == before["before"]


def test_nothing_was_run(pair: Pair) -> None:
    assert not list(pair.hostile.folder.rglob("*pwned*"))
