"""Bad input: exit code 2, what was found, where and the way out; no traceback, nothing written."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.run import world
from tests.run.world import ASKED, Result, call, content, told

Lines = list[str]
Edit = Callable[[Lines], str | bytes]
REPORTS = ("--report", "r.json", "--report", "r.md", "--json")


def joined(lines: Lines) -> str:
    return "\n".join(lines) + "\n"


def row(number: int, text: str) -> Edit:
    """Return an edit that puts `text` in the place of a row; the first below the header is row 1."""
    return lambda lines: joined([*lines[:number], text, *lines[number + 1 :]])


def every(old: str, new: str) -> Edit:
    return lambda lines: joined(lines).replace(old, new)


def labels(value: str, among: str = "") -> Edit:
    return lambda lines: joined([lines[0], *(f"{line[:-1]}{value}" if among in line else line for line in lines[1:])])


def refused(result: Result, folder: Path, before: dict[str, str]) -> str:
    """Check what holds for every refusal, and return the message on one line."""
    assert result.code == 2, result.out
    assert result.out == ""
    assert result.err.startswith("error: ")
    for word in ("Traceback", "internal error", "DEBIAS_TRACEBACK"):
        assert word not in result.err
    assert all(line.startswith(("error: ", "  ")) for line in result.err.splitlines())
    assert not re.search(r"[^\n -~‘’“”…–—−·\w]", result.err)
    assert content(folder) == before
    return " ".join(result.err.split())


TABLES: dict[str, tuple[Edit, tuple[str, ...], tuple[str, ...]]] = {
    "empty": (lambda _: "", (), ("bad.csv", "is empty", "header and rows")),
    "blank": (lambda _: "\n \n", (), ("bad.csv", "is empty")),
    "header only": (lambda lines: lines[0], (), ("bad.csv", "header (4 columns) and no rows")),
    "wrong delimiter": (every(",", "^"), (), ("bad.csv", "'income^debt^sex^label'", "--label")),
    "ragged rows": (row(5, "1,2,f,1,9"), (), ("bad.csv", "the header has 4", "5 columns in row 5", "Quote values")),
    "duplicate columns": (
        lambda lines: joined(["debt,debt,sex,label", *lines[1:]]),
        (),
        ("bad.csv", "'debt' (columns 1 and 2)", "Rename or remove"),
    ),
    "a column without a name": (
        lambda lines: joined([",debt,sex,label", *lines[1:]]),
        (),
        ("bad.csv", "column 1 of 4 has no name", "index=False"),
    ),
    "label not binary": (row(5, "1,2,f,2"), (), ("bad.csv, column 'label'", "not binary", "'2' first in row 5")),
    "label constant": (labels("1"), (), ("bad.csv, column 'label'", "always '1'", "Both label values")),
    "label missing": (row(5, "1,2,f,"), (), ("bad.csv, column 'label'", "missing in 1 row: row 5", "Remove these")),
    "labels of words": (
        lambda lines: joined([lines[0], *(line[:-1] + {"0": "no", "1": "yes"}[line[-1]] for line in lines[1:])]),
        (),
        ("bad.csv, column 'label'", "which one does a high score predict", "--positive"),
    ),
    "no such label": (every("", ""), ("--label", "outcome"), ("bad.csv", "no column 'outcome'", "'income'")),
    "two labels": (every("debt", "target"), (), ("bad.csv", "has 'target', 'label'", "--label")),
    "attribute missing": (row(5, "1,2,,1"), (), ("bad.csv, column 'sex'", "row 5", "--missing-attr drop")),
    "no such attribute": (every("sex", "Sex"), (), ("bad.csv", "no column 'sex' (--attr)", "Did you mean 'Sex'?")),
    "one group": (every(",m,", ",f,"), (), ("bad.csv, column 'sex'", "one group only: 'f'", "--attr")),
    "a group without positives": (
        labels("0", ",f,"),
        ("--metric", "equal-opportunity"),
        ("bad.csv", "group 'f' of attribute 'sex'", "no favourable labels", "--metric statistical-parity"),
    ),
    "attribute with many values": (
        lambda lines: joined([lines[0], *(f"1,{i},{i},{i % 2}" for i in range(50))]),
        (),
        ("bad.csv, column 'sex'", "50 values", "--bins"),
    ),
    "NaN in a feature": (row(7, "nan,2,f,1"), (), ("bad.csv, column 'income'", "1 missing value in row 7", "contract")),
    "infinity in a feature": (row(7, "1,-inf,f,1"), (), ("bad.csv, column 'debt'", "infinite", "row 7")),
    "beyond float32": (row(7, "1e39,2,f,1"), (), ("bad.csv, column 'income'", "beyond float32", "row 7")),
    "text in a number": (row(7, "1,n.a.,f,1"), (), ("bad.csv, column 'debt'", "'n.a.' in row 7", "--ignore")),
    "decimal commas": (row(7, '"1,5",2,f,1'), (), ("column 'income'", "'1,5' in row 7", "decimal points")),
    "too many columns": (
        lambda lines: joined([f"{lines[0]},id", *(f"{line},7" for line in lines[1:])]),
        (),
        ("bad.csv", "the network reads 2 columns", "'id'", "--features", "--ignore", "debias contract"),
    ),
    "too few columns": (every("", ""), ("--features", "income"), ("--features names 1 column", "reads 2")),
    "no such feature": (every("", ""), ("--features", "income,dept"), ("bad.csv", "no column 'dept' (--features)")),
    "label among the features": (every("", ""), ("--features", "income,label"), ("'label'", "Leave the label out")),
    "no such weight": (every("", ""), ("--weight", "w"), ("bad.csv", "no column 'w' (--weight)")),
    "a negative weight": (
        lambda lines: joined(["income,w,sex,label", *lines[1:]]),
        ("--weight", "w"),
        ("bad.csv, column 'w'", "0 or more"),
    ),
    "not UTF-8": (lambda lines: joined(lines).encode() + "1,2,ü,1\n".encode("latin-1"), (), ("bad.csv", "line 602")),
    "UTF-16": (lambda lines: joined(lines).encode("utf-16"), (), ("bad.csv", "UTF-16", "UTF-8")),
    "a zero byte": (row(3, "1,2,f\0,1"), (), ("bad.csv", "zero byte")),
    "an open quote": (row(3, '1,2,"f,1'), (), ("bad.csv", "quote")),
    "a zip": (lambda _: b"PK\x03\x04rest", (), ("bad.csv", "zip file")),
}


@pytest.mark.parametrize("verb", ["audit", "prune"])
@pytest.mark.parametrize("case", TABLES)
def test_tables(place: Path, verb: str, case: str) -> None:
    edit, flags, expected = TABLES[case]
    made = edit((place / "rows.csv").read_text().splitlines())
    (place / "bad.csv").write_bytes(made if isinstance(made, bytes) else made.encode())
    before = content(place)
    bound = ("--eps", "0.1", "--keep-best") if verb == "prune" else ()
    message = refused(
        call(verb, "model.pt", "--data", "bad.csv", "--attr", "sex", *bound, *flags, *REPORTS), place, before
    )
    for part in expected:
        assert part in message, message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("audit", "model.pt", "--data", "row.csv"), ("row.csv: no such file", "'rows.csv'")),
        (("audit", "modle.pt", "--data", "rows.csv"), ("modle.pt: no such file",)),
        (("audit", "model.pt", "--data", "."), (".: is a directory", "Give one file")),
        (("audit", ".", "--data", "rows.csv"), (".: is a directory",)),
        (("audit", "rows.csv", "--data", "rows.csv"), ("rows.csv",)),
        (("audit", "empty", "--data", "rows.csv"), ("empty",)),
        (("audit", "model.pt", "--data", "cut.csv.gz"), ("cut.csv.gz", "not a whole .gz file")),
        (("audit", "model.pt", "--data", "t.parquet"), ("t.parquet", "not a Parquet file")),
        (("audit", "model.pt", "--data", "t.arrow"), ("t.arrow", "broken Arrow IPC file")),
        (("audit", "model.pt", "--data", "t.xlsx"), ("t.xlsx", "no known table")),
        (("audit", "model.pt", "--data", "rows.csv", "--contract", "c.json"), ("c.json", "No such file")),
        (("audit", "model.pt", "--data", "rows.csv", "--device", "warp"), ("--device", "'warp'", "Use cpu.")),
        (("audit", "model.pt", "--data", "rows.csv", "--device", "meta"), ("--device", "'meta'", "Use cpu.")),
        (("audit", "model.pt", "--data", "rows.csv", "--threshold", "1"), ("--threshold", "between 0 and 1")),
        (("audit", "model.pt", "--data", "rows.csv", "--decision", "argmax"), ("two-class", "one score")),
        (("audit", "model.pt", "--data", "rows.csv", "--output-kind", "softmax"), ("--output-kind", "softmax")),
        (("audit", "model.pt", "--data", "rows.csv", "--eps", "0"), ("--eps", "above 0")),
        (("audit", "model.pt", "--data", "rows.csv", "--privileged", "x"), ("--privileged 'x'", "'f', 'm'")),
        (("audit", "model.pt", "--data", "rows.csv", "--report", "no/r.md"), ("--report no/r.md", "Make it first")),
        (("prune", "model.pt", "--data", "rows.csv", "--eps", "nan"), ("--eps", "nan")),
        (("prune", "model.pt", "--data", "rows.csv", "--eps", ".1", "--margin", ".1"), ("--margin", "0.1")),
        (("prune", "model.pt", "--data", "rows.csv", "--eps", ".1", "--holdout", "1"), ("--holdout", "below 1")),
        (("prune", "model.pt", "--data", "rows.csv", "--eps", ".1", "--split-by", "who"), ("'who' (--split-by)",)),
        (("prune", "model.pt", "--data", "rows.csv", "--eps", ".1", "--out", "no/m.pt"), ("--out no/m.pt",)),
        (("prune", "model.pt", "--data", "rows.csv", "--eps", ".1", "--out", "."), ("--out .", "folder")),
        (("prune", "model.pt", "--data", "rows.csv", "--eps", ".1", "--test", "no.csv"), ("no.csv: no such file",)),
        (("prune", "model.pt", "--data", "rows.csv", "--eps", ".1", "--train", "no.csv"), ("no.csv: no such file",)),
        (("gda", "model.pt", "--data", "rows.csv", "--eps", ".1", "--lr", "-1"), ("--lr", "above 0")),
    ],
)
def test_files_and_flags(place: Path, arguments: tuple[str, ...], expected: tuple[str, ...]) -> None:
    (place / "empty").touch()
    (place / "cut.csv.gz").write_bytes(gzip.compress((place / "rows.csv").read_bytes())[:-20])
    for name in ("t.parquet", "t.arrow", "t.xlsx"):
        shutil.copy(place / "rows.csv", place / name)
    before = content(place)
    message = refused(call(*arguments, "--attr", "sex", "--json"), place, before)
    for part in expected:
        assert part in message, message


def test_all_problems_at_once(place: Path) -> None:
    lines = (place / "rows.csv").read_text().splitlines()
    (place / "bad.csv").write_text(joined([*lines[:5], "abc,inf,,2", *lines[6:]]))
    before = content(place)
    table = call("audit", "model.pt", "--data", "bad.csv", "--attr", "sex", "--weight", "w", "--privileged", "z")
    message = refused(table, place, before)
    for part in ("'abc' in row 5", "infinite", "'2' first in row 5", "attribute is missing", "'w'", "'z'"):
        assert part in message
    assert table.err.count("error: ") == 6
    files = call("prune", "no.pt", "--data", "no.csv", "--test", "no2.csv", "--attr", "sex", "--eps", "0.1")
    assert refused(files, place, before).count("no such file") == 3
    flags = ("--eps", "-2", "--margin", "-1", "--min-performance", "1", "--seed", "-1", "--holdout", "1")
    asked = call("prune", "model.pt", *ASKED, *flags, "--device", "warp", "--stop-below", "3", "--threshold", "0")
    message = refused(asked, place, before)
    for flag in ("--eps", "--seed", "--holdout", "--device", "--stop-below", "--threshold"):
        assert f"error: {flag}: " in message
    limits = call("prune", "model.pt", *ASKED, "--eps", "0.1", "--margin", "-1", "--min-performance", "1")
    assert refused(limits, place, before).count("error: ") == 2
    paths = call("prune", "model.pt", *ASKED, "--eps", "0.1", "--report", "a.pdf", "--out", "no/m.pt")
    assert refused(paths, place, before).count("error: ") == 2
    (place / "t.csv").write_text("income,debt,sex,label\n1,2,x,1\n3,4,f,0\n")
    (place / "u.csv").write_text("income,debt,sex,label\n1,abc,f,1\n3,4,f,0\n")
    before = content(place)
    tables = call("prune", "model.pt", *ASKED, "--eps", "0.1", "--test", "t.csv", "--train", "u.csv")
    message = refused(tables, place, before)
    assert "t.csv, column 'sex'" in message
    assert "u.csv, column 'debt'" in message


@pytest.mark.parametrize("verb", ["audit", "threshold", "prune", "gda"])
def test_networks_that_say_nothing(place: Path, verb: str) -> None:
    world.save(world.Broken(2), place / "nan.pt")
    world.save(world.constant(), place / "same.pt")
    before = content(place)
    bound = () if verb == "audit" else ("--eps", "0.1", "--keep-best", "--out", "out.pt")
    message = refused(call(verb, "nan.pt", *ASKED, *bound, *REPORTS), place, before)
    assert re.search(r"rows.csv.*, rows \d+, \d+.*NaN or an infinite score for \d+ of \d+ rows", message)
    assert "same score" in refused(call(verb, "same.pt", *ASKED, *bound, *REPORTS), place, before)


def test_verdict_rows_that_lack_a_group(place: Path) -> None:
    frame = pd.read_csv("rows.csv")
    frame[frame["sex"] == "f"].to_csv("test.csv", index=False)
    # Two rows of a third group, one of each label: the split leaves both to the selection.
    few = pd.DataFrame({"income": [0.1, 0.2], "debt": [0.3, 0.4], "sex": ["x", "x"], "label": [0, 1]})
    pd.concat([frame, few]).to_csv("few.csv", index=False)
    before = content(place)
    asked = ("--attr", "sex", "--eps", "0.1", "--keep-best")
    message = refused(call("prune", "model.pt", "--data", "rows.csv", *asked, "--test", "test.csv"), place, before)
    assert "test.csv: group 'm' of attribute 'sex' has no rows here" in message
    message = refused(call("prune", "model.pt", "--data", "few.csv", *asked), place, before)
    assert "few.csv, verdict rows: group 'x' of attribute 'sex' has no rows here" in message


def test_missing_attributes_are_counted(place: Path) -> None:
    lines = (place / "rows.csv").read_text().splitlines()
    (place / "gaps.csv").write_text(joined([*lines[:5], "1,2,,1", "1,-2, ,0", *lines[7:]]))
    gaps = ("audit", "model.pt", "--data", "gaps.csv", "--attr", "sex")
    dropped = told(*gaps, "--missing-attr", "drop")
    assert dropped["rows"]["missing_attribute"] == {"data": 2}
    assert (dropped["rows"]["data"], dropped["rows"]["dropped"]) == (598, 2)
    assert "all" not in dropped["statement"]
    grouped = told(*gaps, "--missing-attr", "group")
    assert [group["n"] for group in grouped["before"]["parities"][0]["groups"]][-1] == 2
    assert grouped["attributes"][0]["groups"][-1] == "(missing)"
    assert grouped["rows"]["missing_attribute"] == {"data": 2}
    assert "2 (group)" in call(*gaps, "--missing-attr", "group").out


@pytest.mark.parametrize("name", ["bom.csv", "semicolons.csv", "tabs.tsv", "rows.csv.gz", "t.parquet", "t.arrow"])
def test_other_forms_of_the_same_table(place: Path, name: str) -> None:
    text, frame = (place / "rows.csv").read_text(), pd.read_csv("rows.csv")
    forms: dict[str, Callable[[], object]] = {
        "bom.csv": lambda: Path(name).write_text(f"\ufeff{text}"),
        "semicolons.csv": lambda: Path(name).write_text(text.replace(",", ";")),
        "tabs.tsv": lambda: Path(name).write_text(text.replace(",", "\t").replace("\n", "\r\n")),
        "rows.csv.gz": lambda: Path(name).write_bytes(gzip.compress(text.encode())),
        "t.parquet": lambda: frame.to_parquet(name),
        "t.arrow": lambda: frame.to_feather(name),
    }
    forms[name]()
    same = told("audit", "model.pt", *ASKED)
    other = told("audit", "model.pt", "--data", name, "--attr", "sex")
    assert other["before"] == same["before"]
    if name in ("semicolons.csv", "tabs.tsv"):
        assert any("columns are parted by" in note for note in other["notes"])


def test_integers_beyond_int64_and_float64_stay_apart(place: Path) -> None:
    text = (place / "rows.csv").read_text()
    for f, m in (("99999999999999999999", "99999999999999999998"), ("9007199254740993", "9007199254740992")):
        (place / "big.csv").write_text(text.replace(",f,", f",{f},").replace(",m,", f",{m},"))
        report = told("audit", "model.pt", "--data", "big.csv", "--attr", "sex", "--privileged", m)
        assert sorted(report["attributes"][0]["groups"]) == sorted([f, m])
        assert report["before"]["bias"] == told("audit", "model.pt", *ASKED)["before"]["bias"]


HOSTILE = {
    "income": "=cmd|' /C calc'!A0,\n\x1b[31mx",
    "debt": "--eps",
    "sex": "sex\u202e<script>alert(1)</script>|`a`",
    "label": "étiquette “ß”",
}
GROUPS = {"f": "weiblich\n♀ [red]", "m": "男 **m** ${IFS}"}


def test_hostile_and_foreign_names(place: Path) -> None:
    frame = pd.read_csv("rows.csv").rename(columns=HOSTILE)
    frame[HOSTILE["sex"]] = frame[HOSTILE["sex"]].map(GROUPS)
    frame.to_csv("größe 'q'.csv", index=False)
    flags = ("--data", "größe 'q'.csv", "--attr", HOSTILE["sex"], "--label", HOSTILE["label"], "--eps", "0.2")
    arguments = ("prune", "model.pt", *flags, "--keep-best", "--limit", "2", "--report", "r.md", "--out", "größe.pt")
    result = call(*arguments)
    assert result.code in (0, 1), result.err
    for text in (result.out, (place / "r.md").read_text()):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "男" in text
        assert "weiblich\n" not in text
    markdown = (place / "r.md").read_text()
    assert "<script>" not in markdown.partition("```")[0]
    plain = call("prune", "model.pt", *ASKED, "--eps", "0.2", "--keep-best", "--limit", "2", "--json").json
    hostile = call(*arguments, "--force", "--json").json
    assert hostile["attributes"][0]["groups"] == list(GROUPS.values())
    assert hostile["after"]["balanced_accuracy"] == plain["after"]["balanced_accuracy"]
    audit = told("audit", "größe.pt", "--data", "größe 'q'.csv", "--attr", HOSTILE["sex"])
    assert audit["before"]["n"] == len(frame)
    assert call("inspect", "größe.pt").code == 0
    missing = call("audit", "model.pt", "--data", "größe 'q'.csv", "--attr", "\x1b[2Jx\u202e", "--label", "y")
    message = refused(missing, place, content(place))
    assert r"\x1b[2Jx\u202e" in message


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Run as a user without rights, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public(original: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for path in original.iterdir():
            Path(shutil.copy(path, folder)).chmod(0o644)
        monkeypatch.chdir(folder)
        yield folder
        folder.chmod(0o755)


def test_no_permission_to_read(public: Path) -> None:
    before = content(public)
    for name, told_at in (("rows.csv", "may not be read"), ("model.pt", "permission")):
        (public / name).chmod(0)
        with nobody():
            result = call("audit", "model.pt", *ASKED)
        (public / name).chmod(0o644)
        message = refused(result, public, before)
        assert name in message
        assert told_at in message


def test_no_permission_to_write(public: Path) -> None:
    public.chmod(0o555)
    before = content(public)
    with nobody():
        model = call("prune", "model.pt", *ASKED, "--eps", "0.2", "--limit", "1", "--keep-best")
        report = call("audit", "model.pt", *ASKED, "--report", "r.json")
    assert "no file can be made in the folder" in refused(model, public, before)
    assert "r.json" in refused(report, public, before)


def test_disk_full(place: Path) -> None:
    before = content(place)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        model = call("prune", "model.pt", *ASKED, "--eps", "0.2", "--limit", "1", "--keep-best")
        report = call("audit", "model.pt", *ASKED, "--report", "r.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for result, name in ((model, "model.prune.pt"), (report, "r.json")):
        message = refused(result, place, before)
        assert f"{name}: no room for" in message
        assert "Free some space" in message


def test_the_installed_command(place: Path) -> None:
    command = Path(sys.executable).with_name("debias")
    if not command.exists():
        pytest.skip("the console script is not beside the interpreter")
    (place / "ragged.csv").write_text("income,debt,sex,label\n1,2,f,1\n1,2\n")
    before = content(place)
    for arguments, part in (
        (("audit", "model.pt", "--data", "ragged.csv", "--attr", "sex", "--json"), "2 columns in row 2"),
        (("prune", "model.pt", *ASKED, "--eps", "7", *REPORTS), "--eps: 7.0 is no bound"),
    ):
        found = subprocess.run([command, *arguments], capture_output=True, text=True, encoding="utf-8", check=False)
        assert part in refused(Result(found.returncode, found.stdout, found.stderr), place, before)
