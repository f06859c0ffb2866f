"""Flags go before the environment, that before the nearest file, that before the default."""

from __future__ import annotations

import json
import os
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command
from typer.testing import CliRunner

from debias.cli.configuration import Held, load, variable
from debias.cli.main import app
from debias.cli.settings import FLAG_ONLY, VERBS, Setting, settings_of_verbs
from debias.cli.sources import naming_sources, repeatable
from debias.errors import UsageError
from tests.cli.conftest import FakeRun
from tests.report.examples import HOSTILE
from tests.run.world import ASKED, told
from tests.run.world import call as called

EVERY = settings_of_verbs()


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DEBIAS_")]:
        monkeypatch.delenv(name)


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def shown(*arguments: str) -> dict[str, Any]:
    """Return what `debias config` holds, by key."""
    done = call("config", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return {row["key"]: row for row in json.loads(done.stdout)["settings"]}


def complaints(text: str, name: str = "debias.toml", verb: str | None = None) -> list[str]:
    Path(name).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load(EVERY, verb=verb)
    return [str(problem) for problem in caught.value.problems]


class TestPrecedence:
    ORDER = (
        ("default", None),
        ("debias.toml eps", 0.1),
        ("debias.toml [audit] eps", 0.2),
        ("DEBIAS_EPS", 0.3),
        ("DEBIAS_AUDIT_EPS", 0.4),
        ("--eps", 0.5),
    )

    @pytest.mark.parametrize("upto", range(len(ORDER)))
    def test_each_goes_before_the_ones_above(
        self, run: FakeRun, folder: Path, monkeypatch: pytest.MonkeyPatch, upto: int
    ) -> None:
        flags: list[str] = []
        text = {"debias.toml eps": "", "debias.toml [audit] eps": ""}
        for where, value in self.ORDER[1 : upto + 1]:
            if where in text:
                text[where] = f"eps = {value}"
            elif where == "--eps":
                flags = [where, str(value)]
            else:
                monkeypatch.setenv(where, str(value))
        (folder / "debias.toml").write_text("{}\n[audit]\n{}".format(*text.values()))
        assert call("audit", "m.pt", "--data", "d.csv", "--attr", "sex", *flags).exit_code == 0
        assert run.settings["eps"] == self.ORDER[upto][1]
        if not flags:
            row = shown("audit")["eps"]
            assert (row["where"] or row["source"], row["value"]) == self.ORDER[upto]

    def test_no_config_is_flags_alone(self, run: FakeRun, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "debias.toml").write_text("eps = 0.1\nthis is no TOML")
        monkeypatch.setenv("DEBIAS_EPS", "not a number")
        assert call("audit", "m.pt", "--data", "d.csv", "--attr", "sex", "--no-config").exit_code == 0
        assert run.settings["eps"] is None

    def test_an_empty_variable_is_not_set(self, run: FakeRun, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "debias.toml").write_text("eps = 0.1")
        monkeypatch.setenv("DEBIAS_EPS", "")
        call("audit", "m.pt", "--data", "d.csv", "--attr", "sex")
        assert run.settings["eps"] == 0.1

    def test_a_repeated_flag_replaces_the_list(self, run: FakeRun, folder: Path) -> None:
        (folder / "debias.toml").write_text('attr = ["a", "b"]')
        call("audit", "m.pt", "--data", "d.csv", "--attr", "sex")
        assert run.settings["attr"] == ["sex"]

    def test_no_two_settings_share_a_variable(self) -> None:
        of_all = {variable(key): {key} for settings in EVERY.values() for key in settings}
        for verb, settings in EVERY.items():
            for key in settings:
                of_all.setdefault(variable(key, verb), set()).add(f"{verb} {key}")
        assert [names for names in of_all.values() if len(names) > 1] == []


class TestFinding:
    @pytest.mark.parametrize("name", ["debias.toml", "pyproject.toml"])
    def test_the_nearest_upwards(self, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        head = "[tool.debias]\n" if name == "pyproject.toml" else ""
        (folder / name).write_text(f"{head}eps = 0.1")
        (folder / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(folder / "a" / "b")
        assert shown("audit")["eps"]["where"] == f"../../{name} {'[tool.debias] ' if head else ''}eps"
        (folder / "a" / name).write_text(f"{head}eps = 0.2")
        assert shown("audit")["eps"]["value"] == 0.2

    def test_debias_toml_goes_before_its_neighbour(self, folder: Path) -> None:
        (folder / "pyproject.toml").write_text("[tool.debias]\neps = 0.1")
        (folder / "debias.toml").write_text("eps = 0.2")
        assert shown("audit")["eps"]["value"] == 0.2

    @pytest.mark.parametrize("text", ["[project]\nname = 'debias'", "[tool]\nblack = 1", "broken = [", "tool = 3"])
    def test_other_projects_are_passed_over(self, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        (folder / "debias.toml").write_text("eps = 0.1")
        inner = folder / "inner"
        inner.mkdir()
        (inner / "pyproject.toml").write_text(text)
        monkeypatch.chdir(inner)
        assert shown("audit")["eps"]["where"] == "../debias.toml eps"

    def test_paths_are_relative_to_the_file(self, run: FakeRun, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = 'model = "m.pt"\ndata = "./x/../d.csv"\nattr = "sex"\ncontract = "/abs.json"\nreport = ["r.json"]'
        (folder / "debias.toml").write_text(text)
        (folder / "a").mkdir()
        monkeypatch.chdir(folder / "a")
        assert call("audit").exit_code == 0
        assert run.calls[-1][1] == (Path("../m.pt"), Path("../d.csv"))
        assert run.settings["contract"] == Path("/abs.json")
        assert (folder / "r.json").is_file()

    @pytest.mark.parametrize("by", ["flag", "variable"])
    def test_a_named_file(self, run: FakeRun, folder: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
        (folder / "debias.toml").write_text("eps = 0.1")
        (folder / "ci").mkdir()
        (folder / "ci" / "strict.toml").write_text('eps = 0.2\ndata = "d.csv"')
        flags = ["--config", "ci/strict.toml"] if by == "flag" else []
        if by == "variable":
            monkeypatch.setenv("DEBIAS_CONFIG", "ci/strict.toml")
        assert call("audit", "m.pt", "--attr", "sex", *flags).exit_code == 0
        assert (run.settings["eps"], run.calls[-1][1][1]) == (0.2, Path("ci/d.csv"))

    @pytest.mark.usefixtures("folder")
    @pytest.mark.parametrize("name", ["none.toml", ".", "a\0b", "x" * 300])
    def test_a_named_file_that_cannot_be_read(self, name: str) -> None:
        with pytest.raises(UsageError):
            load(EVERY, named=Path(name))

    def test_a_named_pyproject_without_the_section(self, folder: Path) -> None:
        (folder / "pyproject.toml").write_text("[project]\nname = 'x'")
        with pytest.raises(UsageError, match=r"no section \[tool.debias\]"):
            load(EVERY, named=Path("pyproject.toml"))


@pytest.mark.usefixtures("folder")
class TestProblems:
    def test_all_at_once_with_the_nearest_names(self) -> None:
        found = complaints(
            'esp = 0.05\nattr = ["sex", true]\noutgoing = 3\ntrust = true\nmissing-attr = "drp"\n'
            'missing_attr = "drop"\n'
            "[audti]\neps = 3\n[audit]\nsd-ddof = 3\nincoming = true\n[prune]\nincoming = true\nsteps = 2.5\n"
            "[config]\neps = 1\n"
        )
        assert found == [
            "debias.toml esp: is no setting\n  Did you mean eps?",
            "debias.toml attr: is true\n  --attr takes text, or a list of such.",
            "debias.toml outgoing: is the number 3\n  --outgoing takes true or false.",
            "debias.toml trust: is no setting\n  --trust lifts a check: it is taken from the command line alone.",
            "debias.toml missing-attr: is the text 'drp'\n  --missing-attr takes one of error, drop, group.",
            "debias.toml missing_attr: is given as missing-attr too\n  Leave one out.",
            "debias.toml audti: is no section\n  Did you mean [audit]?",
            "debias.toml config: is no section\n  debias --help lists the verbs.",
            "debias.toml [audit] sd-ddof: is the number 3\n  --sd-ddof takes a whole number from 0 to 1.",
            "debias.toml [audit] incoming: is no setting of audit\n  debias config VERB lists the settings of a verb.",
            "debias.toml [prune] incoming: is no setting of prune\n  Write outgoing = false (or true).",
            "debias.toml [prune] steps: is the number 2.5\n  --steps takes a whole number.",
        ]

    @pytest.mark.parametrize(
        "value", ["true", '"0.05"', "[0.05]", "{a = 1}", "2026-01-02", "nan", "[[1]]", '""', "07:32:00"]
    )
    def test_what_is_no_number(self, value: str) -> None:
        assert len(complaints(f"eps = {value}")) == 1
        assert len(complaints(f"[tool.debias.audit]\neps = {value}", "pyproject.toml")) == 1

    @pytest.mark.parametrize("value", ["1", '"yes"', "[true]"])
    def test_what_is_no_truth_value(self, value: str) -> None:
        assert "takes true or false" in complaints(f"force = {value}")[0]

    @pytest.mark.parametrize("value", ["3", '""', '"a\\u0000b"', "[]"])
    def test_what_is_no_path(self, value: str) -> None:
        assert "takes the path of a file" in complaints(f"data = {value}")[0]

    @pytest.mark.parametrize(
        ("content", "part"),
        [
            (b"eps = 0.1\nx = [", "is no TOML"),
            (b"eps = 0.1\neps = 0.2\n", "line 2"),
            (b"eps = 0.1 # \xff", "not UTF-8 (byte 12)"),
            (b"x = " + b"[" * 5000, "is "),
            (b"# " + b"x" * 2**20, "larger than 1 MiB"),
        ],
    )
    def test_files_that_are_no_toml(self, content: bytes, part: str) -> None:
        Path("debias.toml").write_bytes(content)
        done = called("audit", "m.pt", "--data", "d.csv", "--attr", "sex")
        assert done.code == 2
        assert part in done.err

    def test_a_byte_order_mark_is_no_matter(self) -> None:
        Path("debias.toml").write_bytes(b"\xef\xbb\xbfeps = 0.1")
        assert shown("audit")["eps"]["value"] == 0.1

    def test_a_section_that_is_none(self) -> None:
        assert "is no section" in complaints("[tool]\ndebias = 3", "pyproject.toml")[0]
        assert "Leave [tool.debias] out" in complaints("[tool.debias]\neps = 3", "debias.toml")[0]

    def test_hostile_keys_and_values_are_shown_as_text(self) -> None:
        Path("debias.toml").write_text(f"{json.dumps(HOSTILE)} = 1\nmetric = {json.dumps(HOSTILE)}\n", encoding="utf-8")
        done = called("config")
        assert done.code == 2
        assert "\x1b" not in done.err and "\u202e" not in done.err
        assert len([line for line in done.err.splitlines() if line.startswith("error: ")]) == 2

    def test_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (("EPS", "small"), ("AUDIT_FORCE", "maybe"), ("TRUST", "1"), ("AUDIT_METRIC", "x")):
            monkeypatch.setenv(f"DEBIAS_{name}", value)
        with pytest.raises(UsageError) as caught:
            load(EVERY, verb="audit")
        assert [problem.where for problem in caught.value.problems] == [
            "DEBIAS_TRUST", "DEBIAS_AUDIT_FORCE", "DEBIAS_AUDIT_METRIC", "DEBIAS_EPS"
        ]  # fmt: skip

    @pytest.mark.usefixtures("run")
    def test_a_variable_that_names_nothing_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEBIAS_ESP", "0.05")
        monkeypatch.setenv("DEBIAS_TRACEBACK", "1")
        monkeypatch.setenv("DEBIAS_TEST_BROWSER", "required")
        done = call("audit", "m.pt", "--data", "d.csv", "--attr", "sex")
        assert done.exit_code == 0
        assert done.stderr == "warning: DEBIAS_ESP: names no setting\n  Did you mean DEBIAS_EPS?\n"

    def test_what_one_verb_refuses_is_told_to_it_alone(self) -> None:
        # layers is a list of names for one verb and may be a number for another: only who is asked complains
        shared = [
            (key, {setting.kind for setting in takers})
            for key, takers in _takers().items()
            if len({(setting.kind, setting.choices) for setting in takers}) > 1
        ]
        for key, kinds in shared:
            if kinds == {int, str}:
                Path("debias.toml").write_text(f'{key} = "text"')
                load(EVERY)
                taker = next(verb for verb, one in EVERY.items() if key in one and one[key].kind is int)
                with pytest.raises(UsageError):
                    load(EVERY, verb=taker)

    def test_help_does_not_read_it(self) -> None:
        Path("debias.toml").write_text("broken = [")
        assert call("audit", "--help").exit_code == 0

    def test_a_value_that_the_verb_refuses_is_told_where_it_stands(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEBIAS_SEED", "-3")
        Path("debias.toml").write_text('attr = "sex"\neps = -7')
        done = called("audit", "m.pt", "--data", "d.csv")
        assert done.code == 2
        assert "error: --eps (from debias.toml eps): -7 is no bound" in done.err.replace("-7.0", "-7")
        assert "error: --seed (from DEBIAS_SEED): -3 is no seed" in done.err
        flag = called("audit", "m.pt", "--data", "d.csv", "--eps", "-8")
        assert "error: --eps: -8" in flag.err


def _takers() -> dict[str, list[Setting]]:
    found: dict[str, list[Setting]] = {}
    for settings in EVERY.values():
        for key, setting in settings.items():
            found.setdefault(key, []).append(setting)
    return found


def _example(setting: Setting) -> Any:
    """Return a value that is not the default."""
    one: Any = {bool: setting.default is not True, int: 1, float: 0.25, str: "text", Path: "some.file"}[setting.kind]
    if setting.choices:
        one = next(name for name in setting.choices if name != str(setting.default))
    return [one] if setting.several else one


class TestEverySetting:
    @pytest.mark.parametrize("verb", list(VERBS))
    def test_is_what_the_command_line_would_make_of_it(self, verb: str, folder: Path) -> None:
        """The command's own parser, given flags or a file, ends with the same values."""
        command = get_command(app).commands[verb]  # type: ignore[attr-defined]
        settings = {key: one for key, one in EVERY[verb].items() if key not in FLAG_ONLY}
        values = {key: _example(one) for key, one in settings.items()}
        lines, flags, arguments = [], [], []
        for key, value in values.items():
            setting = settings[key]
            lines.append(f"{key.replace('_', '-')} = {json.dumps(value)}")
            for item in value if setting.several else [value]:
                if setting.flag == "MODEL":
                    arguments.append(item)
                elif setting.kind is bool:
                    flags.append(setting.flag if item else f"--{(setting.opposite or '').replace('_', '-')}")
                else:
                    flags += [setting.flag, str(item)]
        needed = [one for one in command.params if one.param_type_name == "argument" and one.required]
        others = ["zafar" if verb == "simulate" else "nnet" for one in needed if one.metavar != "MODEL"]
        by_flags = command.make_context(verb, [*arguments, *others, *flags])
        (folder / "debias.toml").write_text("\n".join([f"[{verb}]", *lines]))
        assert set(tomllib.loads((folder / "debias.toml").read_text())[verb]) == {
            key.replace("_", "-") for key in settings
        }
        by_file = command.make_context(verb, others or ["--config", "debias.toml"])
        for context in (by_flags, by_file):
            context.params.pop("config")
        assert by_file.params == by_flags.params

    @pytest.mark.usefixtures("folder")
    @pytest.mark.parametrize("verb", list(VERBS))
    def test_is_the_same_from_the_environment(self, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = {key: one for key, one in EVERY[verb].items() if key not in FLAG_ONLY}
        for key, setting in settings.items():
            value = _example(setting)
            monkeypatch.setenv(variable(key, verb), "\n".join(map(str, value if setting.several else [value])))
        held = load(EVERY, verb=verb).of(verb)
        assert {key: one.value for key, one in held.items()} == {key: _example(one) for key, one in settings.items()}

    def test_every_flag_has_a_key(self) -> None:
        for verb in VERBS:
            command = get_command(app).commands[verb]  # type: ignore[attr-defined]
            names = {one.name for one in command.params if one.param_type_name == "option"}
            fields = {one.field for one in EVERY[verb].values() if one.flag != "MODEL"}
            assert names - {"config", "no_config"} == fields, verb


class TestRuns:
    def test_the_configuration_alone_is_enough(self, run: FakeRun, folder: Path) -> None:
        text = 'model = "m.pt"\ndata = "d.csv"\nattr = "sex"\n[prune]\neps = 0.05\nincoming-is-not-a-key = 1\n'
        (folder / "debias.toml").write_text(text.rpartition("incoming")[0])
        assert call("prune").exit_code == 0
        assert (run.calls[-1][0], run.settings["eps"]) == ("prune", 0.05)

    def test_a_verb_without_enough_shows_its_help(self, run: FakeRun, folder: Path) -> None:
        (folder / "debias.toml").write_text("eps = 0.05")
        done = call("prune")
        assert done.exit_code == 2
        assert "Usage" in done.output
        assert "0.05" not in done.output
        assert run.calls == []

    def test_of_missing_ones_the_command_line_tells(self, folder: Path) -> None:
        (folder / "debias.toml").write_text('data = "d.csv"')
        assert "Missing option '--attr'" in called("audit", "m.pt").err

    @pytest.mark.usefixtures("place")
    def test_the_command_of_a_report_repeats_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("debias.toml").write_text(
            'model = "model.pt"\ndata = "rows.csv"\nattr = ["sex"]\nholdout = 0.5\neps = 0.28\n'
            "[threshold]\nseed = 3\nfit-share = 0.2\n"
        )
        monkeypatch.setenv("DEBIAS_POOL", "yes")
        monkeypatch.setenv("DEBIAS_THRESHOLD_METRIC", "eod")
        first = told("threshold", "--out", "a.pt")
        command = shlex.split(first["command"])
        assert {"--holdout", "0.5", "--seed", "3", "--pool", "eod", "0.28"} <= set(command)
        # Elsewhere, without the configuration, the command repeats the run.
        monkeypatch.delenv("DEBIAS_POOL")
        monkeypatch.delenv("DEBIAS_THRESHOLD_METRIC")
        Path("debias.toml").unlink()
        again = told(*command[1:], "--force")
        assert again["after"] == first["after"]

    @pytest.mark.usefixtures("place")
    def test_a_flag_that_overrules_it_is_repeated_too(self) -> None:
        Path("debias.toml").write_text("holdout = 0.5\neps = 0.28")
        for flags, asks in (((), False), (("--holdout", "0.3"), True), (("--holdout", "0.5"), False)):
            first = told("threshold", "model.pt", *ASKED, "--out", "a.pt", "--force", *flags)
            command = shlex.split(first["command"])
            assert ("--no-config" in command) is asks
            again = told(*command[1:], "--force")
            assert again["rows"] == first["rows"]
            assert again["after"] == first["after"]

    @pytest.mark.usefixtures("place")
    def test_the_written_report_tells_the_same_command(self) -> None:
        Path("debias.toml").write_text("eps = 0.28\nseed = 5")
        printed = told("compare", "model.pt", *ASKED, "--methods", "threshold", "--seed", "0", "--report", "r.json")
        assert json.loads(Path("r.json").read_text())["command"] == printed["command"]
        for command in (printed["command"], printed["report"]["command"]):
            assert command.split()[2] == "--no-config"

    def test_values_within_repeat_too(self) -> None:
        from tests.report.test_comparison import comparison
        from tests.report.test_tuning import tuning

        given = {"holdout": 0.3}
        for value in (comparison(command="debias compare m.pt"), tuning(command="debias tune medl --data d.csv")):
            inner = "report" if hasattr(value, "report") else "training"
            for held, asks in ((0.5, True), (0.3, False)):
                seen = []

                def run(value: Any = value, seen: list[Any] = seen) -> int:
                    seen.append(repeatable(value))
                    return 0

                holds = {"holdout": Held(held, "file", "debias.toml holdout")}
                assert naming_sources(run, EVERY["threshold"], holds, given)() == 0
                for line in (seen[0].command, getattr(seen[0], inner).command):
                    assert line is None or (line.split()[2] == "--no-config") is asks
        assert repeatable(value) is value


class TestShown:
    def test_every_setting_of_a_verb(self, folder: Path) -> None:
        (folder / "debias.toml").write_text('attr = ["sex", "race"]\n')
        rows = shown("prune")
        assert set(rows) == set(EVERY["prune"])
        assert rows["attr"]["value"] == ["sex", "race"]
        assert rows["holdout"] == {
            "key": "holdout", "value": 0.3, "source": "default", "where": None, "required": False
        }  # fmt: skip
        text = called("config", "prune").out
        assert "Configuration file: debias.toml" in text
        assert any(line.split() == ["attr", "sex,", "race", "debias.toml", "attr"] for line in text.splitlines())
        assert any(line.split() == ["data", "required", "default"] for line in text.splitlines())

    def test_what_is_set_of_all(self, folder: Path) -> None:
        assert "Nothing is set" in called("config").out
        (folder / "debias.toml").write_text("eps = 0.1\n[audit]\neps = 0.2")
        document = json.loads(called("config", "--json").out)
        assert document["file"] == "debias.toml"
        common, own = sorted(document["settings"], key=lambda row: row["value"])
        assert (own["value"], own["where"], own["verbs"]) == (0.2, "debias.toml [audit] eps", ["audit"])
        assert common["value"] == 0.1
        assert set(common["verbs"]) == {verb for verb, one in EVERY.items() if "eps" in one} - {"audit"}

    @pytest.mark.usefixtures("folder")
    def test_an_unknown_verb(self) -> None:
        misspelt = called("config", "audti")
        assert misspelt.code == 2 and "Did you mean audit?" in misspelt.err

    def test_a_named_file(self, folder: Path) -> None:
        (folder / "x.toml").write_text("eps = 0.1")
        assert shown("audit", "--config", "x.toml")["eps"]["value"] == 0.1


@given(
    st.dictionaries(
        st.sampled_from(["eps", "attr", "seed", "data", "force", "metric", "nope", "audit", "gda", "trust", "tool"]),
        st.recursive(
            st.one_of(st.booleans(), st.integers(), st.floats(), st.text(), st.dates()),
            lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
            max_leaves=4,
        ),
    )
)
def test_no_table_gets_a_traceback(table: dict[str, Any]) -> None:
    from debias.cli import configuration

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration, "_table", lambda _path: table)
        patch.setattr(configuration, "nearest", lambda _folder: Path("debias.toml"))
        try:
            held = load(EVERY)
        except UsageError as error:
            assert error.problems
        else:
            assert set(table) <= {key for verb in held.held.values() for key in verb} | {"audit", "data", "gda"}


PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")


class TestPage:
    """docs/configuration.md, whose commands are run with those of the other pages."""

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "sample_models").symlink_to(Path(__file__).parents[2] / "sample_models")
        Path("pyproject.toml").write_text(PAGE.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")

    @pytest.mark.usefixtures("place")
    def test_the_example(self) -> None:
        assert [problem.found for problem in load(EVERY).unknown] == []
        assert shown("prune")["test"]["value"] == "sample_models/lender_test.csv"

    @pytest.mark.usefixtures("place")
    def test_the_message(self) -> None:
        Path("pyproject.toml").write_text(Path("pyproject.toml").read_text().replace("eps = 0.05", "eps = -1.0"))
        assert called("audit").err == PAGE.partition("```text\n")[2].partition("```")[0]
