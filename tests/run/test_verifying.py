"""A file against its own record: edited files are found, recorded figures come out again."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import debias
from debias.contract import read_document
from debias.errors import ContractError, DataError, DebiasError, ModelError, UsageError
from debias.model.archive import open_archive
from debias.model.seal import sealed
from debias.report.as_json import to_json
from debias.report.values.verification import Verification
from tests.model import hostile
from tests.run import world

DOCUMENT = "archive/extra/debias.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with networks of both formats, repaired ones, and their tables."""
    folder = world.fill(tmp_path_factory.mktemp("made"))
    frame = world.table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        free = {0: torch.export.Dim("rows", min=2)}
        net = world.trained(frame)
        torch.export.save(torch.export.export(net, (torch.zeros(5, 2),), dynamic_shapes=(free,)), folder / "model.pt2")
    world.table(seed=1).to_csv(folder / "test.csv", index=False)
    world.table(seed=2).to_csv(folder / "train.csv", index=False)
    for verb, source in (
        ("prune", "model.pt"),
        ("threshold", "model.pt2"),
        ("eqodds", "model.pt"),
        ("roc", "model.pt2"),
    ):
        repair(folder, verb, source, out=folder / f"{verb}{Path(source).suffix}")
    return folder


def repair(folder: Path, verb: str, source: str = "model.pt", **more: Any) -> Any:
    asked = {"attr": "sex", "eps": 0.1, "features": world.FEATURES, "keep_best": True, "force": True, **more}
    return getattr(debias, verb)(folder / source, asked.pop("data", folder / "rows.csv"), **asked)


@pytest.fixture(autouse=True)
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in made.iterdir():
        copyfile(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path: str, change: Callable[[dict[str, bytes]], object]) -> None:
    """Write a file's entries anew with a change; the checksums of the zip are right again."""
    files = hostile.contents(Path(path).read_bytes())
    change(files)
    Path(path).write_bytes(hostile.packed(files))


def edit_document(path: str, change: Callable[[dict[str, Any]], None]) -> None:
    def inside(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith("/extra/debias.json"))
        document = json.loads(files[name])
        change(document)
        files[name] = json.dumps(document).encode()

    edit(path, inside)


def statuses(found: Verification) -> dict[str, str]:
    return {check.subject: check.status for check in found.checks}


SEALED = dict.fromkeys(("weights", "program", "contract", "record"), "agrees")


@pytest.mark.parametrize(
    ("path", "source"),
    [("prune.pt", "model.pt"), ("threshold.pt2", "model.pt2"), ("eqodds.pt", "model.pt"), ("roc.pt2", "model.pt2")],
)
def test_a_file_agrees_with_its_record(path: str, source: str) -> None:
    alone = debias.verify(path)
    assert statuses(alone) == {**SEALED, "source": "not-checked", "data": "not-checked"}
    assert (alone.verdict, alone.exit_code, alone.changes, alone.recount) == ("agrees", 0, None, None)
    assert alone.model.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    found = debias.verify(path, source=source, data="rows.csv", recount=True)
    assert statuses(found) == {**SEALED, "source": "agrees", "data": "agrees", "figures": "agrees"}
    assert found.of("source").found == hashlib.sha256(Path(source).read_bytes()).hexdigest()
    assert found.of("data").recorded == hashlib.sha256(Path("rows.csv").read_bytes()).hexdigest()
    assert found.recount is not None and found.recount.compared > 100 and not found.recount.differing
    assert set(found.recount.networks) == {"before", "best_threshold", "threshold_only", "after"}
    assert found.method == Path(path).stem
    assert found.command == f"debias verify {path} --source {source} --data rows.csv --recount"


VARIED: dict[str, dict[str, Any]] = {
    "test": {"test": "test.csv"},
    "train": {"train": "train.csv"},
    "all tables": {"train": "train.csv", "test": "test.csv", "pool": False},
    "same rows": {"holdout": 0.0},
    "other seed and share": {"seed": 7, "holdout": 0.5, "fit_share": 0.2},
    "threshold": {"threshold": 0.3},
    "confidence": {"confidence": 0.9, "metric": "eod"},
    "ratio": {"metric": "air", "eps": None, "min_ratio": 0.8},
    "performance": {"performance": "f1", "selection": "margin", "margin": 0.02},
    "bins": {"attr": "income", "bins": "0,", "privileged": None},
    "two attributes": {"attr": ("sex", "debt"), "bins": {"debt": (-0.5, 0.5)}},
    "kept scores": {"keep_scores": True},
    "weights": {"weight": "weight", "data": "weighted.csv"},
    "dropped": {"missing_attr": "drop", "data": "gaps.csv"},
    "group": {"missing_attr": "group", "data": "gaps.csv"},
    "merged": {"attr": "town", "min_group": 40, "data": "towns.csv"},
    "together": {"split_by": "town", "data": "towns.csv"},
    "quoted": {"attr": "sex, or 'gender'", "data": "quoted.csv"},
}


@pytest.mark.parametrize("name", VARIED)
def test_recorded_figures_come_out_again(name: str, place: Path) -> None:
    frame = world.table()
    random = np.random.default_rng(3)
    frame.assign(weight=random.uniform(0.5, 2, len(frame)).round(3)).to_csv("weighted.csv", index=False)
    frame.assign(sex=frame["sex"].where(random.uniform(size=len(frame)) > 0.05)).to_csv("gaps.csv", index=False)
    towns = random.choice(["a", "b", "c", "d"], len(frame), p=[0.5, 0.4, 0.06, 0.04])
    frame.assign(town=towns).to_csv("towns.csv", index=False)
    frame.rename(columns={"sex": "sex, or 'gender'"}).to_csv("quoted.csv", index=False)
    asked = dict(VARIED[name])
    repair(place, "threshold", out="out.pt", **asked)
    tables = {role: asked[role] for role in ("train", "test") if role in asked}
    found = debias.verify("out.pt", source="model.pt", data=asked.get("data", "rows.csv"), recount=True, **tables)
    assert found.recount is not None and not found.recount.differing
    assert found.recount.compared > 100
    assert set(statuses(found).values()) == {"agrees"}


def test_methods_that_fit_weights_set_rows_apart(place: Path) -> None:
    repair(place, "finetune", out="out.pt", epochs=2)
    assert debias.verify("out.pt", source="model.pt", data="rows.csv", recount=True).exit_code == 0
    repair(
        place, "compare", out="best.pt", methods=["threshold", "finetune"], settings={"finetune": {"epochs": 2}},
        workers=1,
    )  # fmt: skip
    found = debias.verify("best.pt", source="model.pt", data="rows.csv", recount=True)
    assert found.exit_code == 0, found.statement


def test_what_the_run_changed_is_what_torch_says() -> None:
    found = debias.verify("prune.pt", source="model.pt")
    assert found.changes is not None
    before, after = torch.jit.load("model.pt").state_dict(), torch.jit.load("prune.pt").state_dict()
    differing = {name for name in before if not torch.equal(before[name], after[name])}
    assert {one.name for one in found.changes.tensors} == differing
    assert found.changes.same_tensors == len(before) - len(differing)
    for one in found.changes.tensors:
        gap = (after[one.name] - before[one.name]).double().numpy()
        assert one.shape == list(gap.shape)
        assert (one.numbers, one.changed) == (gap.size, int((gap != 0).sum()))
        assert one.norm == pytest.approx(np.sqrt((gap**2).sum()))
        assert one.relative == pytest.approx(np.linalg.norm(gap) / np.linalg.norm(before[one.name].double()))
        assert one.largest == pytest.approx(np.abs(gap).max())
    assert not found.changes.program and not found.changes.added_tensors and not found.changes.removed_tensors
    told = {one.entry: (one.source, one.file) for one in found.changes.contract}
    assert told["label"] == (None, "label")
    assert told["output.threshold"] == (None, 0.5)


def test_a_rule_round_the_network_is_told() -> None:
    for path, source in (("eqodds.pt", "model.pt"), ("roc.pt2", "model.pt2")):
        changes = debias.verify(path, source=source).changes
        assert changes is not None and changes.program
        assert all(name.startswith("rule_") for name in changes.added_tensors)
        assert "rule_cuts" in changes.added_tensors and not changes.removed_tensors
        assert {one.name for one in changes.tensors} <= {"network.last.bias", "network.last.weight"}


def test_an_edited_weight_is_named() -> None:
    module = torch.jit.load("prune.pt")
    with torch.no_grad():
        module.hidden.weight[0, 0] += 1e-6
    document = hostile.contents(Path("prune.pt").read_bytes())
    text = next(content for name, content in document.items() if name.endswith("debias.json")).decode()
    module.save("prune.pt", _extra_files={"debias.json": text})
    found = debias.verify("prune.pt", source="model.pt", data="rows.csv")
    assert (found.exit_code, found.of("weights").status) == (1, "differs")
    assert found.of("weights").names == ["hidden.weight"]
    assert "hidden.weight" in found.of("weights").told and "the weights" in found.statement
    assert found.of("source").status == found.of("contract").status == "agrees"


@pytest.mark.parametrize("path", ["prune.pt", "threshold.pt2"])
def test_one_bit_of_the_numbers(path: str) -> None:
    def flip(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith(("/data/0", "/weights/weight_0")))
        content = bytearray(files[name])
        content[0] ^= 1
        files[name] = bytes(content)

    edit(path, flip)
    found = debias.verify(path)
    assert {check.subject for check in found.checks if check.status == "differs"} == {"weights"}
    assert found.of("weights").names == ["hidden.weight"]


def test_an_edited_program() -> None:
    def other(files: dict[str, bytes]) -> None:
        name = next(name for name in files if "/code/" in name and name.endswith(".py") and b"relu" in files[name])
        files[name] = files[name].replace(b"torch.relu", b"torch.tanh")

    edit("prune.pt", other)
    found = debias.verify("prune.pt", source="model.pt")
    assert {check.subject for check in found.checks if check.status == "differs"} == {"program"}
    assert found.of("program").names[0].startswith("code/")
    assert found.changes is not None and found.changes.program


@pytest.mark.parametrize(
    ("change", "subject", "name"),
    [
        (lambda d: d["contract"]["output"].update(threshold=0.9), "contract", "output"),
        (lambda d: d["contract"].update(favorable="negative"), "contract", "favorable"),
        (lambda d: d["contract"].pop("label"), "contract", "label (gone)"),
        (lambda d: d["record"].update(verdict="certain"), "record", "verdict"),
        (lambda d: d["record"]["figures"]["after"].update(bias=0.0), "record", "figures"),
        (lambda d: d["record"].update(extra=1), "record", "extra (added)"),
        (lambda d: d.update(extra=1), "record", "extra (added)"),
        (lambda d: d["record"].update(model_sha256="0" * 64), "record", "model_sha256"),
        (lambda d: d["record"].update(data_sha256=3), "record", "data_sha256"),
        (lambda d: d["record"].update(versions=["x"], added="x"), "record", "versions"),
    ],
)
def test_an_edited_document(change: Callable[[dict[str, Any]], Any], subject: Any, name: str) -> None:
    edit_document("prune.pt", change)
    found = debias.verify("prune.pt", source="model.pt", data="rows.csv")
    assert found.of(subject).status == "differs" and name in found.of(subject).names
    assert found.exit_code == 1


def test_a_seal_made_anew_is_found_by_the_figures_and_by_the_report(place: Path) -> None:
    report = repair(place, "threshold", out="out.pt")
    Path("report.json").write_text(to_json(report))
    assert debias.verify("out.pt", against="report.json").of("report").status == "agrees"
    archive = open_archive("out.pt")
    contract, record = read_document(archive.extra["debias.json"])
    forged = copy.deepcopy(record)
    forged["figures"]["after"]["parities"][0]["bias"] = 0.0
    Path("out.pt").write_bytes(sealed(archive.load(), archive.extra, contract, forged))
    found = debias.verify("out.pt", source="model.pt", data="rows.csv", against="report.json", recount=True)
    assert {name: status for name, status in statuses(found).items() if status != "agrees"} == {
        "report": "differs", "figures": "differs",
    }  # fmt: skip
    assert found.recount is not None
    assert [one.figure for one in found.recount.differing] == ["after.parities.0.bias"]
    assert found.recount.differing[0].found == pytest.approx(record["figures"]["after"]["parities"][0]["bias"])
    assert found.recount.differing[0].recorded == 0.0


def test_without_a_seal_nothing_is_vouched_for() -> None:
    edit_document("prune.pt", lambda document: document["record"].pop("seal"))
    found = debias.verify("prune.pt", source="model.pt", data="rows.csv")
    assert (found.verdict, found.exit_code) == ("differs", 1)
    assert found.of("record").status == "unknown" and "no seal" in found.statement
    edit_document("prune.pt", lambda document: document["record"].update(seal=[]))
    with pytest.raises(ContractError, match="seal"):
        debias.verify("prune.pt")


def test_the_same_entries_in_another_zip_are_the_same_model(place: Path) -> None:
    report = repair(place, "threshold", out="out.pt")
    Path("report.json").write_text(to_json(report))
    edit("out.pt", dict.copy)
    found = debias.verify("out.pt", against="report.json")
    assert {name: found.of(name).status for name in SEALED} == SEALED  # type: ignore[arg-type]
    assert found.of("report").status == "differs"


def test_a_comment_of_the_zip_is_refused() -> None:
    with zipfile.ZipFile("prune.pt", "a") as archive:
        archive.comment = b"checked"
    with pytest.raises(ModelError):
        debias.verify("prune.pt")


def test_extra_files(place: Path) -> None:
    edit("prune.pt", lambda files: files.update({"archive/extra/notes.txt": b"x"}))
    root = next(iter(hostile.contents(Path("prune.pt").read_bytes()))).split("/")[0]
    assert root == "archive"
    found = debias.verify("prune.pt")
    assert found.of("extra-files").names == ["notes.txt (added)"]
    module = torch.jit.load(str(place / "model.pt"))
    module.save("noted.pt", _extra_files={"notes.txt": "kept"})
    repair(place, "threshold", "noted.pt", out="out.pt")
    assert debias.verify("out.pt").of("extra-files").status == "agrees"
    edit("out.pt", lambda files: files.update({"archive/extra/notes.txt": b"other"}))
    assert debias.verify("out.pt").of("extra-files").names == ["notes.txt"]


def test_other_sources_and_tables() -> None:
    found = debias.verify("prune.pt", source="model.pt2", data="test.csv", test="rows.csv")
    assert statuses(found) == {**SEALED, "source": "differs", "data": "differs", "test": "differs"}
    assert found.exit_code == 1 and "--test" in found.of("test").told
    frame = pd.read_csv("rows.csv")
    found = debias.verify("prune.pt", data=frame, recount=True)
    assert (found.of("data").status, found.of("figures").status, found.exit_code) == ("unknown", "agrees", 0)
    assert found.recount is not None and found.recount.networks == ["after"]
    assert found.command is None
    found = debias.verify("prune.pt", data=frame.iloc[:-1], recount=True)
    assert found.of("figures").status == "differs"


def test_a_run_on_a_frame_has_no_digest_of_it(place: Path) -> None:
    repair(place, "threshold", data=pd.read_csv("rows.csv"), out="out.pt")
    found = debias.verify("out.pt", data="rows.csv", recount=True)
    assert (found.of("data").status, found.exit_code) == ("unknown", 0)


def test_a_contract_written_afterwards_is_found() -> None:
    debias.contract("prune.pt", "rows.csv", attr="sex", features=world.FEATURES, embed="again.pt", threshold=0.7)
    found = debias.verify("again.pt")
    assert {check.subject for check in found.checks if check.status == "differs"} >= {"contract"}
    assert "output" in found.of("contract").names
    assert found.of("weights").status == found.of("record").status == "agrees"


def test_all_that_cannot_be_used_at_once() -> None:
    with pytest.raises(DebiasError) as error:
        debias.verify("model.pt", source="none.pt", data="none.csv", against="rows.csv")
    told = str(error.value)
    assert all(text in told for text in ("no record", "none.pt", "none.csv", "--against rows.csv"))
    Path("report.json").write_text("[]")
    Path("other.json").write_text('{"output": null}')
    Path("deep.json").write_text("[" * 100_000)
    for name in ("report.json", "other.json", "deep.json", "missing.json"):
        with pytest.raises(UsageError):
            debias.verify("prune.pt", against=name)
    with pytest.raises(DataError):
        debias.verify("prune.pt", data="")


def test_what_cannot_be_counted_again(place: Path) -> None:
    repair(place, "threshold", train="train.csv", out="out.pt")
    with pytest.raises(UsageError, match="--train"):
        debias.verify("out.pt", data="rows.csv", recount=True)
    edit_document("prune.pt", lambda document: document["record"].pop("request"))
    with pytest.raises(ModelError, match="--recount"):
        debias.verify("prune.pt", data="rows.csv", recount=True)
    edit_document("prune.pt", lambda document: document["record"].update(request={"attr": ["sex"], "holdout": "much"}))
    with pytest.raises(ModelError, match="holdout"):
        debias.verify("prune.pt", data="rows.csv", recount=True)
    edit_document("prune.pt", lambda document: document["record"].update(request={"attr": "sex", "out": "/etc/x"}))
    with pytest.raises(ModelError):
        debias.verify("prune.pt", data="rows.csv", recount=True)


def test_the_record_names_no_path_of_the_user(place: Path) -> None:
    (place / "secret").mkdir()
    copyfile("rows.csv", "secret/rows.csv")
    copyfile("model.pt", "secret/model.pt")
    debias.threshold(
        place / "secret" / "model.pt", place / "secret" / "rows.csv", attr="sex", eps=0.1, features=world.FEATURES,
        out="out.pt", keep_best=True, holdout=0.4,
    )  # fmt: skip
    assert b"secret" not in Path("out.pt").read_bytes()
    _, record = read_document(open_archive("out.pt").extra["debias.json"])
    assert record["request"] == {"attr": ["sex"], "eps": 0.1, "features": list(world.FEATURES), "holdout": 0.4}


def test_trained_and_adapted_files(place: Path) -> None:
    from debias.run.training import train
    from tests.training.clients import clients

    clients().to_csv("clients.csv", index=False)
    clients(600, 5).to_csv("later.csv", index=False)
    asked: dict[str, Any] = {
        "attr": "sex", "label": "label", "cluster": "branch", "seen": 3, "ignore": ("hours", "age"), "epochs": 2,
        "warmup": 0, "hidden": (4,), "batch_size": 128,
    }  # fmt: skip
    train("medl", "clients.csv", out="medl.pt", **asked)
    found = debias.verify("medl.pt", data="clients.csv")
    assert {name: status for name, status in statuses(found).items() if status != "agrees"} == {}
    assert (found.method, found.exit_code, found.of("extra-files").status) == ("train", 0, "agrees")
    assert debias.verify("medl.pt", source="model.pt").of("source").status == "unknown"
    with pytest.raises(ModelError, match="--recount"):
        debias.verify("medl.pt", data="clients.csv", recount=True)
    edit("medl.pt", lambda files: files.update({"archive/extra/z-predictor.pt.b64": b"AAAA"}))
    assert debias.verify("medl.pt").of("extra-files").status == "differs"
    train("medl", "clients.csv", out="medl.pt", force=True, **asked)
    debias.adapt("medl.pt", "later.csv", out="more.pt")
    found = debias.verify("more.pt", source="medl.pt", data="later.csv")
    assert (found.method, found.exit_code) == ("adapt", 0)
    assert found.changes is not None
    assert {one.name for one in found.changes.tensors} == {
        "slope.mean", "slope.rho", "intercept.mean", "intercept.rho",
    }  # fmt: skip
    assert all(one.norm is None for one in found.changes.tensors)
    with pytest.raises(ModelError, match="clusters were added"):
        debias.verify("more.pt", source="medl.pt", data="later.csv", recount=True)
    assert (place / "medl.pt").exists()


def test_figures_of_a_regression_come_out_again() -> None:
    from tests.run import test_regression as pay

    pay.table().to_csv("pay.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(pay.network()), "pay.pt")
    debias.prune(
        "pay.pt", "pay.csv", attr="sex", eps=1.5, label="pay", output_kind="value", features=pay.FEATURES, out="out.pt",
        keep_best=True,
    )  # fmt: skip
    found = debias.verify("out.pt", source="pay.pt", data="pay.csv", recount=True)
    assert found.exit_code == 0, found.statement
    assert found.recount is not None and set(found.recount.networks) == {"before", "after"}


def test_figures_of_a_network_of_clusters_come_out_again() -> None:
    from tests.run import mixed

    mixed.table().to_csv("jobs.csv", index=False)
    mixed.save(Path("mixed.pt"), predictor=mixed.predictor_bytes())
    for verb in ("threshold", "eqodds"):
        getattr(debias, verb)("mixed.pt", "jobs.csv", attr="sex", eps=0.1, out=f"{verb}.mixed.pt", keep_best=True)
        found = debias.verify(f"{verb}.mixed.pt", source="mixed.pt", data="jobs.csv", recount=True)
        assert found.exit_code == 0, found.statement
