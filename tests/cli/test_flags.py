"""Every flag has the effect that its help promises, shown on a real model and table."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.model import nets
from tests.run import world
from tests.run.world import ASKED, call, content, told

AUDIT = ("audit", "model.pt", *ASKED)
REPAIR = ("model.pt", *ASKED, "--eps", "0.28")
FIGURES = ("balanced_accuracy", "accuracy", "auroc", "brier")


def rows(**columns: Any) -> pd.DataFrame:
    """Write rows.csv anew with more columns, or other ones, and return it."""
    frame = pd.read_csv("rows.csv").assign(**columns)
    frame.to_csv("rows.csv", index=False)
    return frame


def random(size: int = world.ROWS) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(7).random(size)


def weights(path: str) -> dict[str, torch.Tensor]:
    return dict(torch.jit.load(path).state_dict())


@pytest.mark.usefixtures("place")
class TestMeasuring:
    @pytest.mark.parametrize("metric", ["statistical-parity", "equal-opportunity"])
    def test_favorable_negative_is_flipping_label_and_score(self, metric: str) -> None:
        flipped = torch.jit.load("model.pt")
        with torch.no_grad():
            flipped.last.weight.neg_()
            flipped.last.bias.neg_()
        flipped.save("flipped.pt")
        asked = ("--metric", metric, "--privileged", "m")
        negative = told(*AUDIT, *asked, "--favorable", "negative")
        rows(label=1 - pd.read_csv("rows.csv")["label"])
        other = told("audit", "flipped.pt", *ASKED, *asked)
        assert negative["favorable"] == "negative"
        assert negative["before"]["parities"][0]["groups"] == other["before"]["parities"][0]["groups"]
        assert negative["before"]["bias"] == other["before"]["bias"] != 0
        for name in FIGURES:
            assert negative["before"][name] == pytest.approx(other["before"][name], abs=1e-6)

    def test_privileged_gives_the_sign(self) -> None:
        m, f = (told(*AUDIT, "--privileged", name) for name in "mf")
        assert m["before"]["bias"] == -f["before"]["bias"] < 0
        assert f["before"]["parities"][0]["sentence"].startswith("P(+ | m) − P(+ | f) = +")
        assert [group["privileged"] for group in f["before"]["parities"][0]["groups"]] == [True, False]
        assert "f is privileged over m" in call(*AUDIT, "--privileged", "f").out

    @pytest.mark.parametrize(("alias", "name"), [("spd", "statistical-parity"), ("eod", "equal-opportunity")])
    def test_metric(self, alias: str, name: str) -> None:
        short, long = told(*AUDIT, "--metric", alias), told(*AUDIT, "--metric", name)
        assert short["metric"] == name
        assert short["before"] == long["before"]
        assert short["before"]["bias"] != told(*AUDIT, "--metric", "spd" if alias == "eod" else "eod")["before"]["bias"]

    def test_eps_is_the_bound(self) -> None:
        bias = abs(told(*AUDIT)["before"]["bias"])
        # The bound itself is not below the bound.
        for eps, code in ((bias, 1), (np.nextafter(bias, 1), 0), (0.01, 1), (1, 0)):
            assert call(*AUDIT, "--eps", repr(float(eps))).code == code
        unasked = call(*AUDIT)
        assert unasked.code == 0
        assert "No bound was asked" in unasked.out
        assert "objective" not in unasked.out
        assert told(*AUDIT)["rows"]["verdict"] == world.ROWS

    def test_threshold_cuts_the_score(self) -> None:
        frame = pd.read_csv("rows.csv")
        scores = torch.jit.load("model.pt")(torch.tensor(frame[["income", "debt"]].to_numpy(), dtype=torch.float32))
        for cut in (0.2, 0.5, 0.9):
            report = told(*AUDIT, "--threshold", cut)
            assert report["before"]["threshold"] == report["threshold"] == cut
            selected = sum(group["selected"] for group in report["before"]["parities"][0]["groups"])
            assert selected == int((scores > cut).sum())
        every = told(*AUDIT, "--threshold", "0.999999")
        assert any("Every row gets the unfavourable decision" in note for note in every["notes"])

    def test_decision_and_output_kind(self) -> None:
        frame = pd.read_csv("rows.csv")
        world.save(world.trained(frame, net=world.Net(2, 2, torch.nn.Softmax(dim=1))), Path("two.pt"))
        asked = ("audit", "two.pt", *ASKED)
        argmax, score = told(*asked, "--decision", "argmax"), told(*asked, "--decision", "score", "--threshold", "0.7")
        assert (argmax["decision"], argmax["threshold"], argmax["decision_disagreements"]) == ("argmax", 0.5, 0)
        assert score["decision_disagreements"] == sum(
            a["selected"] - b["selected"]
            for a, b in zip(
                argmax["before"]["parities"][0]["groups"], score["before"]["parities"][0]["groups"], strict=True
            )
        )
        assert call(*asked, "--decision", "argmax", "--threshold", "0.7").code == 2
        world.save(nets.Head(torch.nn.ReLU(), nets.Squeeze()), Path("logit.pt"))
        assert told(*AUDIT, "--output-kind", "probability")["before"] == told(*AUDIT)["before"]

    def test_weight_two_is_the_row_twice(self) -> None:
        frame = rows(w=1 + (random() < 0.3).astype(int))
        weighted = told(*AUDIT, "--weight", "w")
        frame.loc[frame.index.repeat(frame["w"])].drop(columns="w").to_csv("rows.csv", index=False)
        twice = told(*AUDIT)
        assert weighted["before"]["n"] == world.ROWS < twice["before"]["n"]
        assert weighted["before"]["bias"] == pytest.approx(twice["before"]["bias"])
        for name in FIGURES:
            assert weighted["before"][name] == pytest.approx(twice["before"][name])
        for a, b in zip(
            weighted["before"]["parities"][0]["groups"], twice["before"]["parities"][0]["groups"], strict=True
        ):
            assert a["weight"] == b["n"]
            for name in ("selection_rate", "tpr", "fpr"):
                assert a[name] == pytest.approx(b[name])

    def test_weight_holds_for_selection_too(self) -> None:
        frame = rows(w=1 + (random() < 0.3).astype(int))
        # Rows of weight 2 are no two rows to a rule that counts noise.
        asked = ("threshold", *REPAIR, "--holdout", "0", "--keep-best", "--margin", "0.01")
        weighted = told(*asked, "--weight", "w", "--out", "a.pt")
        frame.loc[frame.index.repeat(frame["w"])].drop(columns="w").to_csv("rows.csv", index=False)
        twice = told(*asked, "--out", "b.pt")
        assert weighted["threshold_only"]["threshold"] == twice["threshold_only"]["threshold"]

    def test_features_and_ignore(self) -> None:
        plain = told(*AUDIT)
        rows(noise=random())
        assert call(*AUDIT).code == 2
        assert told(*AUDIT, "--ignore", "noise")["before"] == plain["before"]
        assert told(*AUDIT, "--features", "income,debt")["before"] == plain["before"]
        assert told(*AUDIT, "--features", "debt,income")["before"] != plain["before"]
        assert told(*AUDIT, "--features", "income", "--features", "noise")["before"] != plain["before"]

    def test_label_and_positive(self) -> None:
        plain = told(*AUDIT)
        frame = rows()
        frame.rename(columns={"label": "paid"}).replace({"paid": {0: "no", 1: "yes"}}).to_csv("rows.csv", index=False)
        assert call(*AUDIT).code == 2
        assert call(*AUDIT, "--label", "paid").code == 2
        named = told(*AUDIT, "--label", "paid", "--positive", "yes")
        assert (named["before"], named["positive_label"]) == (plain["before"], "yes")
        other = told(*AUDIT, "--label", "paid", "--positive", "no")["before"]
        assert other["balanced_accuracy"] == pytest.approx(1 - plain["before"]["balanced_accuracy"])

    def test_bins(self) -> None:
        rows(age=(20 + 60 * random()).round(2))
        asked = ("audit", "model.pt", "--data", "rows.csv", "--attr", "age", "--features", "income,debt")
        assert call(*asked).code == 2
        assert told(*asked, "--bins", "25,45")["attributes"][0]["groups"] == ["< 25", "[25, 45)", ">= 45"]
        assert told(*asked, "--bins", "40,")["attributes"][0]["privileged"] == ">= 40"
        sizes = [group["n"] for group in told(*asked, "--bins", "4")["before"]["parities"][0]["groups"]]
        assert sizes == [150] * 4

    def test_contract_flag_goes_before_the_sidecar(self) -> None:
        made = call("contract", "model.pt", *ASKED, "--threshold", "0.7", "--out", "c.json", "--ignore", "sex")
        assert made.code == 0, made.err
        Path("model.pt.debias.json").write_text('{"version": 1, "output": {"threshold": 0.6}}')
        assert told(*AUDIT)["threshold"] == 0.6
        assert told(*AUDIT, "--contract", "c.json")["threshold"] == 0.7
        assert told(*AUDIT, "--contract", "c.json", "--threshold", "0.4")["threshold"] == 0.4


@pytest.mark.usefixtures("place")
class TestRepairing:
    def test_margin_and_min_performance_bound_the_choice(self) -> None:
        narrow = told("threshold", *REPAIR, "--margin", "0.1", "--keep-best", "--out", "a.pt")
        wide = told("threshold", *REPAIR, "--margin", "0", "--keep-best", "--out", "b.pt")
        assert abs(narrow["selection"]["after"]["bias"]) < 0.18 <= abs(wide["selection"]["after"]["bias"]) < 0.28
        high = told("threshold", *REPAIR, "--min-performance", "0.9", "--keep-best", "--out", "c.pt")
        assert high["verdict"] == "fail"
        assert "balanced accuracy of at least 0.9" in high["statement"]
        assert high["change"]["feasible"] is False

    def test_holdout_and_seed(self) -> None:
        first, again, other = (
            told("prune", *REPAIR, "--limit", "3", "--keep-best", "--seed", seed, "--out", f"{k}.pt")
            for k, seed in enumerate((5, 5, 6))
        )
        assert first["after"] == again["after"]
        assert first["trajectory"] == again["trajectory"]
        assert Path("0.pt").read_bytes() == Path("1.pt").read_bytes()
        assert first["before"] != other["before"]
        sizes = told("threshold", *REPAIR, "--holdout", "0.5", "--keep-best")["rows"]
        assert (sizes["selection"], sizes["verdict"], sizes["verdict_from"]) == (299, 301, "holdout")

    def test_holdout_0_is_optimistic(self) -> None:
        report = told("threshold", *REPAIR, "--holdout", "0", "--keep-best", "--out", "a.pt")
        assert report["optimistic"] is True
        assert report["rows"]["verdict"] == report["rows"]["selection"] == world.ROWS
        assert report["after"] == report["selection"]["after"]
        shown = call("threshold", *REPAIR, "--holdout", "0", "--keep-best", "--out", "b.pt").out
        assert "Optimistic: the verdict rows also chose the candidate" in shown

    def test_train_is_for_gradients_only(self) -> None:
        frame = world.table(200, seed=3)
        frame.to_csv("train.csv", index=False)
        asked = ("prune", *REPAIR, "--limit", "4", "--keep-best", "--no-pool")
        plain, trained = told(*asked, "--out", "a.pt"), told(*asked, "--train", "train.csv", "--out", "b.pt")
        assert trained["rows"]["train"] == 200
        assert plain["rows"]["train"] == plain["rows"]["selection"] == trained["rows"]["selection"]
        for name in ("before", "best_threshold", "threshold_only"):
            assert plain[name] == trained[name]
            assert plain["selection"][name] == trained["selection"][name]
        # The first candidate is the unchanged network on the selection rows, whatever trains.
        assert plain["trajectory"][0] == trained["trajectory"][0]
        frame.assign(sex=frame["sex"].map({"f": "m", "m": "f"})).to_csv("train.csv", index=False)
        turned = told(*asked, "--train", "train.csv", "--out", "c.pt")
        units = [[step["detail"].get("units") for step in report["trajectory"]] for report in (trained, turned)]
        assert units[0] != units[1]

    def test_test_is_for_the_verdict_only(self) -> None:
        world.table(300, seed=4).to_csv("a.csv", index=False)
        world.table(200, seed=5).to_csv("b.csv", index=False)
        asked = ("prune", *REPAIR, "--limit", "4", "--keep-best", "--margin", "0.01")
        a, b = (told(*asked, "--test", f"{name}.csv", "--out", f"{name}.pt") for name in "ab")
        assert a["rows"] == {**b["rows"], "verdict": 300}
        assert a["rows"]["selection"] == world.ROWS
        assert a["selection"] == b["selection"]
        assert a["trajectory"] == b["trajectory"]
        assert a["before"] != b["before"]
        ours, theirs = weights("a.pt"), weights("b.pt")
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        assert (
            told("audit", "a.pt", "--data", "a.csv", "--attr", "sex")["before"]["parities"][0]["groups"]
            == a["after"]["parities"][0]["groups"]
        )

    def test_split_by_keeps_persons_together(self) -> None:
        # Every person twice: without --split-by most of them stand on both sides.
        frame = pd.read_csv("rows.csv").assign(person=lambda rows: rows.index)
        pd.concat([frame, frame]).to_csv("rows.csv", index=False)
        asked = ("threshold", *REPAIR, "--keep-best", "--features", "income,debt")
        report = told(*asked, "--split-by", "person", "--out", "a.pt")
        assert report["rows"]["verdict"] % 2 == 0
        assert all(group["n"] % 2 == 0 for group in report["before"]["parities"][0]["groups"])
        alone = told(*asked, "--out", "b.pt")
        assert any(group["selected"] % 2 for group in alone["before"]["parities"][0]["groups"])

    def test_out_and_force(self, place: Path) -> None:
        assert told("threshold", *REPAIR, "--keep-best")["output"]["path"] == "model.threshold.pt"
        before = content(place)
        again = call("threshold", *REPAIR, "--keep-best")
        assert (again.code, content(place)) == (2, before)
        assert "--force" in again.err
        assert call("threshold", *REPAIR, "--keep-best", "--force", "--quiet").code in (0, 1)
        assert told("threshold", *REPAIR, "--keep-best", "--out", "sub.pt")["output"]["path"] == "sub.pt"

    def test_keep_best(self, place: Path) -> None:
        before = content(place)
        asked = ("threshold", "model.pt", *ASKED, "--eps", "0.02", "--min-performance", "0.8")
        plain = call(*asked, "--report", "r.json")
        assert plain.code == 1
        assert set(content(place)) == {*before, "r.json"}
        assert "--keep-best" in plain.out
        assert "The closest is" in plain.out
        report = json.loads((place / "r.json").read_text())
        assert report["output"] is None
        kept = told(*asked, "--keep-best")
        assert (kept["exit_code"], kept["output"]["path"]) == (1, "model.threshold.pt")
        assert kept["after"] == report["after"]
        assert (place / "model.threshold.pt").is_file()

    @pytest.mark.parametrize("verb", ["threshold", "prune"])
    def test_keep_scores(self, verb: str) -> None:
        flags = ("--keep-scores", "--keep-best", "--out", "kept.pt", *(("--limit", "2") if verb == "prune" else ()))
        result = call(verb, *REPAIR, *flags)
        report = told(verb, *REPAIR, *flags, "--force")
        cut = report["after"]["threshold"]
        assert (report["threshold"], report["change"]["folded"]) == (0.5, False)
        assert f"has to cut them at {cut!r}" in " ".join(result.out.split())
        if verb == "threshold":
            ours, theirs = weights("kept.pt"), weights("model.pt")
            assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
            assert report["after"]["brier"] == report["before"]["brier"]
        # The recorded threshold is the one that a later audit uses.
        audit = told("audit", "kept.pt", *ASKED)
        assert audit["threshold"] == cut != 0.5
        frame = pd.read_csv("rows.csv")
        scores = torch.jit.load("kept.pt")(torch.tensor(frame[["income", "debt"]].to_numpy(), dtype=torch.float32))
        assert sum(group["selected"] for group in audit["before"]["parities"][0]["groups"]) == int((scores > cut).sum())

    @pytest.mark.parametrize("shift", [0.0, 200.0, -200.0])
    @pytest.mark.parametrize("output", [torch.nn.Sigmoid(), torch.nn.Identity()])
    def test_kept_scores_that_are_saturated_do_not_pass(self, shift: float, output: torch.nn.Module) -> None:
        net = torch.nn.Sequential(torch.nn.Linear(2, 1), output)
        with torch.no_grad():
            net[0].weight.copy_(torch.tensor([[30.0, -30.0]]))
            net[0].bias.fill_(shift)
        world.save(net, Path("steep.pt"))
        asked = ("threshold", "steep.pt", *ASKED, "--eps", "0.28", "--keep-best", "--margin", "0.01")
        kept, folded = told(*asked, "--keep-scores", "--out", "a.pt"), told(*asked, "--out", "b.pt")
        accuracy = kept["selection"]["after"]["balanced_accuracy"]
        assert folded["selection"]["after"]["balanced_accuracy"] > 0.7
        if accuracy < 0.55:
            assert kept["verdict"] == "fail"
            assert "leave --keep-scores out" in kept["statement"]
        else:
            assert kept["statement"].startswith(("Bound met", "Bound not met: |bias|"))
        assert call("audit", "a.pt", *ASKED).code in (0, 2)

    def test_threshold_is_where_the_repaired_score_is_cut(self) -> None:
        at = [told("threshold", *REPAIR, "--keep-best", "--threshold", cut, "--out", f"{cut}.pt") for cut in (0.5, 0.3)]
        assert [report["after"]["threshold"] for report in at] == [0.5, 0.3]
        assert at[0]["after"]["parities"][0]["groups"] == at[1]["after"]["parities"][0]["groups"]
        assert at[0]["before"]["parities"][0]["groups"] != at[1]["before"]["parities"][0]["groups"]
        assert told("audit", "0.3.pt", *ASKED)["threshold"] == 0.3

    def test_prune_flags(self) -> None:
        asked = ("prune", *REPAIR, "--keep-best", "--force", "--stop-below", "0")

        def trajectory(*flags: object) -> list[dict[str, Any]]:
            return list(told(*asked, *flags)["trajectory"])

        plain = trajectory()
        assert [step["detail"]["pruned"] for step in plain] == list(range(9))
        assert [step["detail"]["pruned"] for step in trajectory("--steps", "4")][1] == 2
        assert trajectory("--limit", "3") == plain[:4]
        assert len(trajectory("--stop-below", "0.8")) < len(plain)
        orders = {
            json.dumps([step["detail"].get("units") for step in trajectory(*flags)])
            for flags in ((), ("--influence", "activation"))
        }
        assert len(orders) == 2

    def test_incoming_zeroes_other_weights(self) -> None:
        before = weights("model.pt")
        for flag in ("--outgoing", "--incoming"):
            report = told("prune", *REPAIR, "--keep-best", "--margin", "0.2", flag, "--out", f"{flag}.pt")
            units, after = report["change"]["units"]["hidden"], weights(f"{flag}.pt")
            entry, other = after["hidden.weight"][units], after["last.weight"][0, units]
            zero, kept = (other, entry) if flag == "--outgoing" else (entry, other)
            assert not zero.any()
            assert kept.any()
            left = [unit for unit in range(8) if unit not in units]
            assert torch.equal(after["hidden.weight"][left], before["hidden.weight"][left])
            assert torch.equal(after["last.weight"][0, left], before["last.weight"][0, left])

    def test_gda_flags(self) -> None:
        asked = ("gda", *REPAIR, "--keep-best", "--force", "--epochs", "2")

        def steps(*flags: object) -> list[dict[str, Any]]:
            return list(told(*asked, *flags)["trajectory"])

        plain = steps()
        assert len(plain) == 3
        assert len(steps("--epochs", "4")) == 5
        assert len(steps("--batch-size", "64", "--evaluations", "3")) == 7
        for flags in (("--lr", "0.05"), ("--batch-size", "32"), ("--optimizer", "sgd"), ("--one-batch",)):
            assert steps("--lr", "0.01", *flags)[1:] != steps("--lr", "0.01")[1:], flags
        still = [abs(step["bias"] - plain[0]["bias"]) for step in steps("--optimizer", "sgd", "--one-batch")]
        assert max(still) < 0.01

    def test_json_report_and_quiet(self, place: Path) -> None:
        asked = ("threshold", *REPAIR, "--keep-best", "--force")
        result = call(*asked, "--json", "--report", "r.json", "--report", "r.md")
        document = json.loads(result.out)
        assert json.loads((place / "r.json").read_text()) == document
        assert (place / "r.md").read_text().startswith("### debias threshold: ")
        assert document["statement"] in " ".join(result.err.split())
        quiet = call(*asked, "--quiet")
        assert quiet.out.splitlines() == [f"{document['verdict'].upper()}  {document['statement']}"]
        assert quiet.err == ""
        assert call(*asked, "--json", "--quiet").err == quiet.out

    @pytest.mark.parametrize("verb", ["audit", "threshold", "prune", "gda"])
    def test_the_command_repeats_the_run(self, verb: str) -> None:
        rows(**{'a, "b"': random()})
        world.table(200, seed=9).assign(w=1.5, **{'a, "b"': 0}).to_csv("te st.csv", index=False)
        rows(w=random())
        own = {"prune": ("--incoming", "--limit", "2"), "gda": ("--epochs", "2", "--one-batch", "--lr", "0.01")}
        repairing = ("--test", "te st.csv", "--min-performance", "0.6", "--out", "o.pt", "--keep-best", "--force")
        flags = ("--eps", "0.2", "--metric", "eod", "--seed", "3", "--weight", "w", "--features", "income,debt")
        flags += ("--ignore", 'w,"a, ""b"""')
        asked = (verb, "model.pt", *ASKED, *flags, *(() if verb == "audit" else repairing), *own.get(verb, ()))
        first = told(*asked)
        again = told(*shlex.split(first["command"])[1:])
        assert again == first
